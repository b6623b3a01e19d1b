# One row for each answer that was given in a form.
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

days = ds.partitioning(pa.schema({"date": pa.date32()}), flavor="hive")
events = ds.dataset("{lake}/events", partitioning=days)

forms = events.to_table(
    columns=["occurred_at", "user_id", "form_id", "form_responses"],
    filter=ds.field("form_responses").is_valid(),
).combine_chunks()

# Each answer, beside the row that it was in.
answers = forms.drop_columns("form_responses").take(pc.list_parent_indices(forms["form_responses"]))
response = pc.list_flatten(forms["form_responses"])
for name in ["field_id", "field_required", "label", "value"]:
    answers = answers.append_column(name, pc.struct_field(response, name))

answer = answers.filter(response.is_valid()).sort_by([("occurred_at", "ascending"), ("field_id", "ascending")])
print(answer)
