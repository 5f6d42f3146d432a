//! `sluice provision`: makes the stream, tables, queues and schema.

use crate::cli::Provision;
use crate::config::Config;
use sluice_aws::catalogue::PostgresCatalogue;
use sluice_aws::{Clients, provision as aws_provision};

/// Makes what is missing and says what was made.
#[expect(clippy::print_stdout, reason = "saying what was done is the command's work")]
pub(crate) async fn provision(config: &Config, options: &Provision) -> anyhow::Result<()> {
    let clients = Clients::new(&config.aws).await;
    let mut steps = aws_provision::provision(&clients, &config.aws, options.shards).await?;
    let catalogue = PostgresCatalogue::new(&config.aws)?;
    let made = catalogue.migrate().await?;
    catalogue.close().await;
    steps.push(aws_provision::Step { what: "catalogue schema".into(), made });
    if options.json {
        let steps: Vec<_> =
            steps.iter().map(|step| serde_json::json!({ "what": step.what, "made": step.made })).collect();
        println!("{}", serde_json::to_string_pretty(&steps)?);
        return Ok(());
    }
    for step in steps {
        println!("{:<9} {}", if step.made { "made" } else { "was there" }, step.what);
    }
    Ok(())
}
