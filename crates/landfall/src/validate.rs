use std::io::{Write as _, stdout};

use landfall_topology::{Config, Topology};

pub(crate) async fn validate(config: Config, no_environment: bool) -> anyhow::Result<()> {
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
