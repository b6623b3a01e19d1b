//! Arrow builders behind one type, so that a row can be appended column by column.

use std::mem;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StringViewBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBufferBuilder};
use arrow_schema::{DataType, FieldRef, Fields};

use crate::derive::{Answer, Cell};

/// Builds one column. It takes cells of its column's type; any other becomes null.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    values: Values,
    /// Nulls that are still to be appended. Most columns have hardly anything else, and get many at a time.
    nulls: usize,
}

impl ColumnBuilder {
    /// A builder for a column of the schema. It takes no room until something is appended: many partitions may be open
    /// with few rows each.
    pub(crate) fn new(data_type: &DataType) -> Self {
        Self {
            values: Values::new(data_type),
            nulls: 0,
        }
    }

    pub(crate) fn append(&mut self, cell: Cell<'_>) {
        if let Cell::Null = cell {
            self.nulls += 1;
            return;
        }
        self.append_nulls();
        self.values.append(cell);
    }

    /// What was appended; nothing is left.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        self.append_nulls();
        self.values.finish()
    }

    fn append_nulls(&mut self) {
        if self.nulls > 0 {
            self.values.append_nulls(mem::take(&mut self.nulls));
        }
    }
}

/// The Arrow builder of a column.
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

    fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::View(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::Int32(builder), Cell::Int32(value)) => builder.append_value(value),
            (Self::Int64(builder), Cell::Int64(value)) => builder.append_value(value),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(value),
            (Self::Timestamp(builder), Cell::Timestamp(value)) => {
                builder.append_value(value.as_millis());
            }
            (Self::Texts(builder), Cell::Texts(values)) => {
                builder.append_value(values.into_iter().map(Some));
            }
            (Self::Answers(builder), Cell::Answers(values)) => builder.append(Some(values)),
            (values, _) => values.append_nulls(1),
        }
    }

    fn append_nulls(&mut self, count: usize) {
        match self {
            Self::Text(builder) => builder.append_nulls(count),
            Self::View(builder) => (0..count).for_each(|_| builder.append_null()),
            Self::Int32(builder) => builder.append_nulls(count),
            Self::Int64(builder) => builder.append_nulls(count),
            Self::Boolean(builder) => builder.append_nulls(count),
            Self::Timestamp(builder) => builder.append_nulls(count),
            Self::Texts(builder) => builder.append_nulls(count),
            Self::Answers(builder) => (0..count).for_each(|_| builder.append(None)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::View(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
            Self::Answers(builder) => Arc::new(builder.finish()),
        }
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
    /// Which lists are there.
    lists: NullBufferBuilder,
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
            lists: NullBufferBuilder::new(0),
            offsets: OffsetBufferBuilder::new(0),
        }
    }

    fn append(&mut self, list: Option<Vec<Option<Answer<'_>>>>) {
        self.lists.append(list.is_some());
        let list = list.unwrap_or_default();
        self.offsets.push_length(list.len());
        for answer in list {
            self.answers.append(answer.is_some());
            let cells = answer.unwrap_or_default();
            for (column, cell) in self.columns.iter_mut().zip(cells) {
                column.append(cell);
            }
        }
    }

    fn finish(&mut self) -> ListArray {
        let offsets = mem::replace(&mut self.offsets, OffsetBufferBuilder::new(0));
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish);
        let answers = StructArray::new(
            self.fields.clone(),
            columns.collect(),
            self.answers.finish(),
        );
        ListArray::new(
            Arc::clone(&self.element),
            offsets.finish(),
            Arc::new(answers),
            self.lists.finish(),
        )
    }
}
