use std::path::Path;

use landfall_topology::Topology;

use crate::run::load;

pub(crate) async fn validate(config: Option<&Path>) -> anyhow::Result<()> {
    Topology::check(load(config)?).await?;
    println!("the configuration is valid, the ports are free and the storage can be written");
    Ok(())
}
