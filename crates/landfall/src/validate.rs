use std::io::{Write as _, stdout};
use std::path::Path;

use landfall_topology::Topology;

use crate::run::load;

pub(crate) async fn validate(config: Option<&Path>, no_environment: bool) -> anyhow::Result<()> {
    let config = load(config)?;
    if no_environment {
        writeln!(stdout(), "the configuration is valid")?;
        return Ok(());
    }
    Topology::check(config).await?;
    writeln!(
        stdout(),
        "the configuration is valid, the ports are free, data_dir and the storage can be written"
    )?;
    Ok(())
}
