//! Arrow builders behind one type, so that a row can be appended column by column.

use std::mem;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StringViewBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, ListArray, StructArray, UInt32Array, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer, NullBufferBuilder, OffsetBufferBuilder};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields};
use arrow_select::take::take;
use landfall_appcues::{Field, Mismatch, convert};

use crate::columns::ANSWER_FIELDS;
use crate::derive::{Answer, Cell, Row};
use crate::errors::Errors;

/// What a value takes beside its text: an offset or itself, and the number of its row.
const FIXED_BYTES: usize = 8;

/// Builds one column. Most columns have a value in few rows only, so that rows without one are not visited until the end.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    data_type: DataType,
    /// The values that are there, in the order in which they came.
    values: Values,
    /// The row of each.
    rows: Vec<u32>,
}

impl ColumnBuilder {
    /// A builder for a column of the schema. It takes no room until something is appended: many partitions may be open
    /// with few rows each.
    pub(crate) fn new(data_type: &DataType) -> Self {
        Self {
            data_type: data_type.clone(),
            values: Values::new(data_type),
            rows: Vec::new(),
        }
    }

    /// Gives row `number` the value of `cell`; none if that is of another type than the column. Returns about how many bytes
    /// it takes.
    pub(crate) fn append(&mut self, number: u32, cell: &Option<Cell<'_>>) -> usize {
        match cell {
            Some(cell) if self.values.append(cell) => {
                self.rows.push(number);
                cell.byte_size()
            }
            _ => 0,
        }
    }

    /// Gives row `number` the first of `fields` whose value fits. Returns about how many bytes it takes.
    ///
    /// Most values come this way, which takes a sixth less time than to make a [`Cell`] of each and append that.
    pub(crate) fn read_first(
        &mut self,
        number: u32,
        fields: &[Field],
        row: Row<'_>,
        errors: &mut Errors,
    ) -> usize {
        for field in fields {
            let Some(raw) = row.event.raw(*field) else {
                continue;
            };
            match self.values.read(raw) {
                Ok(true) => {
                    self.rows.push(number);
                    return raw.len() + FIXED_BYTES;
                }
                Ok(false) => {}
                Err(mismatch) => errors.record(field.path(), mismatch),
            }
        }
        0
    }

    /// What was appended, each row at its place among `places`; nothing is left.
    pub(crate) fn finish(&mut self, places: &[u32]) -> Result<ArrayRef, ArrowError> {
        /// No value has this number: there are fewer values than rows.
        const NONE: u32 = u32::MAX;
        let values = self.values.finish()?;
        let rows = mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(new_null_array(&self.data_type, places.len()));
        }
        let mut order = vec![NONE; places.len()];
        for (row, value) in rows.iter().zip(0..) {
            order[places[*row as usize] as usize] = value;
        }
        let is_there = (rows.len() < order.len())
            .then(|| BooleanBuffer::collect_bool(order.len(), |place| order[place] != NONE));
        take(
            &values,
            &UInt32Array::new(order.into(), is_there.map(NullBuffer::new)),
            None,
        )
    }
}

/// The Arrow builder of a column's values.
#[derive(Debug)]
enum Values {
    Text(StringBuilder),
    View(StringViewBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMillisecondBuilder),
    Texts(ListBuilder<StringBuilder>),
    Answers(AnswersBuilder),
}

impl Values {
    fn new(data_type: &DataType) -> Self {
        let text = || StringBuilder::with_capacity(0, 0);
        match data_type {
            DataType::Utf8View => Self::View(StringViewBuilder::with_capacity(0)),
            DataType::Int32 => Self::Int32(Int32Builder::with_capacity(0)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(0)),
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(0)),
            DataType::Timestamp(..) => {
                let builder = TimestampMillisecondBuilder::with_capacity(0);
                Self::Timestamp(builder.with_data_type(data_type.clone()))
            }
            DataType::List(element) => match element.data_type() {
                DataType::Struct(fields) => Self::Answers(AnswersBuilder::new(element, fields)),
                _ => Self::Texts(
                    ListBuilder::with_capacity(text(), 0).with_field(Arc::clone(element)),
                ),
            },
            // The schema has no further type.
            _ => Self::Text(text()),
        }
    }

    /// Appends the value that is `raw` in JSON, unless that is null. Returns whether it has.
    fn read<'a>(&mut self, raw: &'a str) -> Result<bool, Mismatch<'a>> {
        let read = match self {
            Self::Text(builder) => convert::string(raw)?.map(|text| builder.append_value(text)),
            Self::Int32(builder) => convert::int32(raw)?.map(|value| builder.append_value(value)),
            Self::Int64(builder) => convert::int64(raw)?.map(|value| builder.append_value(value)),
            Self::Boolean(builder) => {
                convert::boolean(raw)?.map(|value| builder.append_value(value))
            }
            Self::Timestamp(builder) => {
                convert::timestamp(raw)?.map(|time| builder.append_value(time.as_millis()))
            }
            // These have rules of their own.
            Self::View(_) | Self::Texts(_) | Self::Answers(_) => None,
        };
        Ok(read.is_some())
    }

    /// Whether the cell is a value of this type, which is then appended.
    fn append(&mut self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::View(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::Int32(builder), Cell::Int32(value)) => builder.append_value(*value),
            (Self::Int64(builder), Cell::Int64(value)) => builder.append_value(*value),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(*value),
            (Self::Timestamp(builder), Cell::Timestamp(value)) => {
                builder.append_value(value.as_millis());
            }
            (Self::Texts(builder), Cell::Texts(values)) => {
                builder.append_value(values.iter().map(Some));
            }
            (Self::Answers(builder), Cell::Answers(values)) => builder.append(values),
            _ => return false,
        }
        true
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::View(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
            Self::Answers(builder) => Arc::new(builder.finish()?),
        })
    }
}

impl Cell<'_> {
    /// About how many bytes it takes in its builder.
    fn byte_size(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.len(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + FIXED_BYTES).sum(),
            Self::Answers(answers) => {
                let cells = answers.iter().flatten().flatten().flatten();
                answers.len() * ANSWER_FIELDS.len() * FIXED_BYTES
                    + cells.map(Cell::byte_size).sum::<usize>()
            }
            _ => 0,
        };
        text + FIXED_BYTES
    }
}

/// Builds lists of the answers of a form.
#[derive(Debug)]
pub(crate) struct AnswersBuilder {
    element: FieldRef,
    fields: Fields,
    columns: Vec<ColumnBuilder>,
    /// Which answers are there.
    answers: NullBufferBuilder,
    offsets: OffsetBufferBuilder<i32>,
}

impl AnswersBuilder {
    fn new(element: &FieldRef, fields: &Fields) -> Self {
        let columns = fields
            .iter()
            .map(|field| ColumnBuilder::new(field.data_type()));
        Self {
            element: Arc::clone(element),
            fields: fields.clone(),
            columns: columns.collect(),
            answers: NullBufferBuilder::new(0),
            offsets: OffsetBufferBuilder::new(0),
        }
    }

    fn append(&mut self, list: &[Option<Answer<'_>>]) {
        self.offsets.push_length(list.len());
        for answer in list {
            let row = self.answers.len() as u32;
            self.answers.append(answer.is_some());
            let cells = answer.iter().flatten();
            for (column, cell) in self.columns.iter_mut().zip(cells) {
                column.append(row, cell);
            }
        }
    }

    fn finish(&mut self) -> Result<ListArray, ArrowError> {
        let offsets = mem::replace(&mut self.offsets, OffsetBufferBuilder::new(0));
        let places: Vec<u32> = (0..).take(self.answers.len()).collect();
        let columns = self.columns.iter_mut();
        let columns = columns.map(|column| column.finish(&places));
        let answers = StructArray::try_new(
            self.fields.clone(),
            columns.collect::<Result<_, _>>()?,
            self.answers.finish(),
        )?;
        let element = Arc::clone(&self.element);
        ListArray::try_new(element, offsets.finish(), Arc::new(answers), None)
    }
}
