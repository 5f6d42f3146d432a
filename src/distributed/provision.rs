//! `sluice provision`: makes the stream, tables, queues and schema.

use crate::cli::Provision;
use crate::config::Config;
use crate::output::say;
use sluice_aws::catalogue::PostgresCatalogue;
use sluice_aws::provision::{Difference, ProvisionOutcome, ProvisionStep};
use sluice_aws::{Clients, provision as aws_provision};

/// Makes and corrects the resources that the engine needs in AWS and Postgres, and says what it did.
pub(crate) async fn provision(config: &Config, options: &Provision) -> anyhow::Result<()> {
    let clients = Clients::new(&config.aws).await;
    let mut steps = aws_provision::provision(&clients, &config.aws, options.shards).await?;
    let catalogue = PostgresCatalogue::new(&config.aws)?;
    let made = catalogue.migrate().await?;
    catalogue.close().await;
    let outcome = if made { ProvisionOutcome::Made } else { ProvisionOutcome::WasThere };
    steps.push(ProvisionStep {
        thing: "catalogue schema".into(),
        outcome,
        mended: Vec::new(),
        left: Vec::new(),
    });
    if options.json {
        let steps: Vec<_> = steps.iter().map(step_json).collect();
        say!("{}", serde_json::to_string_pretty(&steps)?)?;
        return Ok(());
    }
    for step in steps {
        say!("{:<9} {}", step.outcome.as_str(), step.thing)?;
        for difference in step.mended {
            let (setting, found, wanted) = (difference.setting, difference.found, difference.wanted);
            say!("          changed {setting} from {found} to {wanted}")?;
        }
        for difference in step.left {
            say!("          not changed: {difference}")?;
        }
    }
    Ok(())
}

fn step_json(step: &ProvisionStep) -> serde_json::Value {
    let differences = |all: &[Difference]| -> Vec<serde_json::Value> {
        let json = |difference: &Difference| {
            let (setting, found, wanted) = (difference.setting, &difference.found, &difference.wanted);
            serde_json::json!({ "setting": setting, "found": found, "wanted": wanted })
        };
        all.iter().map(json).collect()
    };
    serde_json::json!({
        "what": step.thing,
        "outcome": step.outcome.as_str(),
        "made": step.outcome == ProvisionOutcome::Made,
        "mended": differences(&step.mended),
        "not_changed": differences(&step.left),
    })
}
