/// The setting of a source that asks for signatures, with the secret that is in `APPCUES_WEBHOOK_SECRET`.
pub const SIGNED: &str = r#"signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]"#;

/// A configuration for [`Landfall::write`](crate::Landfall::write) that lands in `{dir}/lake`, with these settings of its
/// source and of its sink.
pub fn config(source: &str, sink: &str) -> String {
    format!(
        r#"
data_dir = "{{dir}}/data"
api.address = "{{api}}"

[sources.appcues]
type = "appcues"
address = "{{source}}"
{source}

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{{dir}}/lake"
{sink}
"#
    )
}
