use crate::api::record_metrics;
use crate::readiness::Readiness;

/// What `/metrics` of a topology shows. Clones show the same.
#[derive(Clone, Debug)]
pub struct Metrics(pub(crate) Readiness);

impl Metrics {
    /// All metrics as they are now, as text for Prometheus; nothing if the program records metrics by itself.
    pub fn render(&self) -> String {
        let Some(recorded) = record_metrics() else {
            return String::new();
        };
        self.0.export_metrics();
        recorded.render()
    }
}
