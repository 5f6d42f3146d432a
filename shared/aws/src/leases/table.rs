//! The lease table's requests on DynamoDB.

use super::row::{self, WORKER, checkpoint_text, new_lease, parents};
use super::rows::{
    LeaseOrder, LeaseOrders, LeaseRow, LeaseRows, LeaseTableRow, Readable, Settled, SkippedRange, TakeFrom,
    Written,
};
use crate::attribute::{Item, number, text};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use crate::log::{ShardInfo, StreamIdentity};
use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};

/// The table of leases.
#[derive(Debug, Clone)]
pub struct LeaseTable {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl LeaseTable {
    /// The configured table.
    #[must_use]
    pub fn new(clients: &Clients, config: &AwsConfig) -> Self {
        Self { client: clients.dynamodb.clone(), name: config.leases_table.clone() }
    }

    fn update(&self, key: &str, counter: u64, expression: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("leaseKey", text(key))
            .update_expression(expression)
            .expression_attribute_values(":known", number(counter))
            .expression_attribute_values(":next", number(counter + 1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

#[async_trait]
impl LeaseRows for LeaseTable {
    async fn rows(&self) -> Result<Vec<LeaseTableRow>, PortError> {
        let (mut rows, mut from) = (Vec::new(), None);
        loop {
            let request = self.client.scan().table_name(&self.name).consistent_read(true);
            let sent = request.set_exclusive_start_key(from).send().await;
            let page = sent.map_err(|error| failure::port_error("read the leases", &error))?;
            rows.extend(page.items().iter().filter_map(row::read));
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    async fn row(&self, shard: &ShardId) -> Result<Option<LeaseRow>, PortError> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let sent = request.key("leaseKey", text(&*shard.0)).send().await;
        let item =
            sent.map_err(|error| failure::port_error(format!("read the lease of {shard}"), &error))?.item;
        Ok(item.and_then(|item| match row::read(&item) {
            Some(LeaseTableRow::Lease(lease)) => Some(lease),
            _ => None,
        }))
    }

    async fn create(&self, shard: &ShardInfo, stream: &StreamIdentity) -> Result<(), PortError> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(new_lease(shard, stream)));
        let sent = request.condition_expression("attribute_not_exists(leaseKey)").send().await;
        made(sent, || format!("make the lease of {}", shard.id)).map(drop)
    }

    async fn take(
        &self,
        row: &LeaseRow,
        me: &str,
        from: TakeFrom,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        let LeaseOrders { paused_ms: _, pinned_to, restart } = &row.orders;
        let (mut sets, mut removes) = (String::new(), Vec::new());
        let mut conditions = "leaseCounter = :known AND attribute_not_exists(pausedMs)".to_owned();
        let mut values = Vec::new();
        match pinned_to {
            Some(pinned) => {
                conditions += " AND pinnedTo = :pinned";
                values.push((":pinned", text(pinned)));
                if pinned != me {
                    removes.push("pinnedTo");
                }
            }
            None => conditions += " AND attribute_not_exists(pinnedTo)",
        }
        match restart {
            Some(restart) => {
                conditions += " AND restartAt = :restart";
                values.push((":restart", text(checkpoint_text(restart.position))));
            }
            None => conditions += " AND attribute_not_exists(restartAt)",
        }
        match from {
            TakeFrom::Checkpoint => {}
            TakeFrom::CheckpointWithGap(settled_ms) => {
                sets += ", settledMs = :settled";
                values.push((":settled", number(settled_ms)));
            }
            TakeFrom::TrimHorizon(settled_ms) => {
                sets += ", settledMs = :settled, checkpoint = :start";
                removes.push("readableAt");
                values.push((":settled", number(settled_ms)));
                values.push((":start", text(checkpoint_text(Position::START))));
            }
            TakeFrom::Restart(restart) => {
                sets += ", settledMs = :settled, checkpoint = :start";
                values.push((":settled", number(restart.settled_ms)));
                values.push((":start", text(checkpoint_text(restart.position))));
                removes.extend(["restartAt", "restartSettledMs", "workAgainUntil"]);
                match restart.skips(row.checkpoint) {
                    Some(SkippedRange { after, until }) => {
                        sets += ", skipAfter = :after, skipUntil = :until";
                        values.push((":after", text(checkpoint_text(after))));
                        values.push((":until", text(checkpoint_text(until))));
                    }
                    None => removes.extend(["skipAfter", "skipUntil"]),
                }
            }
        }
        let removes =
            if removes.is_empty() { String::new() } else { format!(" REMOVE {}", removes.join(", ")) };
        let update = format!(
            "SET leaseOwner = :me, leaseCounter = :next, streamMadeS = :made{sets}{removes} \
             ADD ownerSwitchesSinceCheckpoint :one"
        );
        let mut request = self.update(&row.shard.0, row.counter, &update);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        let request = request.expression_attribute_values(":made", number(stream.made_s()));
        let request = request.expression_attribute_values(":me", text(me));
        let request = request.expression_attribute_values(":one", number(1));
        written(request.condition_expression(conditions), &row.shard).await
    }

    async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<bool, PortError> {
        // A missing row, and the row of a wholly settled shard, take no order.
        let mut conditions = "attribute_exists(checkpoint) AND checkpoint <> :end".to_owned();
        let mut values = vec![(":end", text(checkpoint_text(Position::END)))];
        let update = match order {
            LeaseOrder::Pause { now_ms } => {
                values.push((":now", number(*now_ms)));
                "SET pausedMs = if_not_exists(pausedMs, :now)"
            }
            LeaseOrder::Resume => "REMOVE pausedMs, pinnedTo, restartAt, restartSettledMs, workAgainUntil",
            LeaseOrder::HandOver { to } => {
                values.push((":to", text(to)));
                "SET pinnedTo = :to"
            }
            LeaseOrder::Restart(restart) => {
                conditions += " AND attribute_not_exists(restartAt)";
                values.push((":at", text(checkpoint_text(restart.position))));
                values.push((":settled", number(restart.settled_ms)));
                match restart.again_until {
                    Some(until) => {
                        values.push((":until", text(checkpoint_text(until))));
                        "SET restartAt = :at, restartSettledMs = :settled, workAgainUntil = :until"
                    }
                    None => "SET restartAt = :at, restartSettledMs = :settled",
                }
            }
        };
        if matches!(order, LeaseOrder::HandOver { .. } | LeaseOrder::Restart(_)) {
            match &seen.owner {
                Some(owner) => {
                    conditions += " AND leaseOwner = :owner";
                    values.push((":owner", text(owner)));
                }
                None => conditions += " AND attribute_not_exists(leaseOwner)",
            }
        }
        let request = self.client.update_item().table_name(&self.name);
        let mut request = request.key("leaseKey", text(&*seen.shard.0)).update_expression(update);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        match written(request.condition_expression(conditions), &seen.shard).await? {
            Written::Yes => Ok(true),
            Written::Refused(_) => Ok(false),
        }
    }

    async fn renew(
        &self,
        shard: &ShardId,
        me: &str,
        counter: u64,
        settled: Option<Settled>,
        readable: Readable,
    ) -> Result<Written, PortError> {
        let mut update = "SET leaseCounter = :next, readableMs = :readable, readableAt = :stored".to_owned();
        if settled.is_some() {
            update += ", checkpoint = :at, checkpointOwner = :me, checkpointSubSequenceNumber = :zero, \
                       ownerSwitchesSinceCheckpoint = :zero";
        }
        let until_ms = settled.and_then(|settled| settled.until_ms);
        if until_ms.is_some() {
            update += ", settledMs = :settled";
        }
        let load = settled.and_then(|settled| settled.load);
        if load.is_some() {
            update += ", throughputKBps = :kbps, loadPercent = :percent";
        }
        let request = self.update(&shard.0, counter, &update);
        let request = request.expression_attribute_values(":readable", number(readable.ms));
        let stored = text(checkpoint_text(readable.at));
        let mut request = request.expression_attribute_values(":stored", stored);
        if let Some(load) = load {
            request = request.expression_attribute_values(":kbps", number(load.kbps));
            request = request.expression_attribute_values(":percent", number(load.percent));
        }
        if let Some(settled) = settled {
            request = request.expression_attribute_values(":at", text(checkpoint_text(settled.position)));
            request = request.expression_attribute_values(":zero", number(0));
        }
        if let Some(until_ms) = until_ms {
            request = request.expression_attribute_values(":settled", number(until_ms));
        }
        let request = request.expression_attribute_values(":me", text(me));
        let request = request.condition_expression("leaseOwner = :me AND leaseCounter = :known");
        written(request, shard).await
    }

    async fn reset(
        &self,
        shard: &ShardInfo,
        counter: u64,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        // The parents may have been other shards of the previous stream.
        let (sets, removes) = match shard.parents.is_empty() {
            true => ("", ", parentShardId"),
            false => (", parentShardId = :parents", ""),
        };
        let update = format!(
            "SET leaseCounter = :next, checkpoint = :start, settledMs = :settled, streamMadeS = :made, \
             startingHashKey = :first, endingHashKey = :last{sets} \
             REMOVE leaseOwner, readableAt, restartAt, restartSettledMs, workAgainUntil, skipAfter, skipUntil{removes}"
        );
        let request = self.update(&shard.id.0, counter, &update);
        let mut request = request.expression_attribute_values(":made", number(stream.made_s()));
        if !shard.parents.is_empty() {
            request = request.expression_attribute_values(":parents", parents(shard));
        }
        let request = request.expression_attribute_values(":first", text(shard.first.to_string()));
        let request = request.expression_attribute_values(":last", text(shard.last.to_string()));
        let request = request.expression_attribute_values(":start", text(checkpoint_text(Position::START)));
        let request = request.expression_attribute_values(":settled", number(clock::now_ms()));
        written(request.condition_expression("leaseCounter = :known"), &shard.id).await
    }

    async fn adopt(&self, shard: &ShardId, stream: &StreamIdentity) -> Result<(), PortError> {
        let request = self.client.update_item().table_name(&self.name).key("leaseKey", text(&*shard.0));
        let request = request.update_expression("SET streamMadeS = :made");
        let request = request.expression_attribute_values(":made", number(stream.made_s()));
        let holds = "attribute_exists(leaseKey) AND attribute_not_exists(streamMadeS)";
        written(request.condition_expression(holds), shard).await.map(drop)
    }

    async fn remove(&self, shard: &ShardId, counter: u64) -> Result<Written, PortError> {
        let request = self.client.delete_item().table_name(&self.name).key("leaseKey", text(&*shard.0));
        let request = request.condition_expression("leaseCounter = :known");
        let request = request.expression_attribute_values(":known", number(counter));
        match request.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(SdkError::ServiceError(answer))
                if matches!(answer.err(), DeleteItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Written::Refused(None))
            }
            Err(error) => Err(failure::port_error(format!("delete the lease of {shard}"), &error)),
        }
    }

    async fn remember_stream(
        &self,
        stream: &StreamIdentity,
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(row::stream(stream)));
        let request = match known {
            None => request.condition_expression("attribute_not_exists(leaseKey)"),
            Some(known) => request
                .condition_expression("streamArn = :arn AND streamCreatedMs = :created")
                .expression_attribute_values(":arn", text(&known.arn))
                .expression_attribute_values(":created", number(known.created_ms)),
        };
        made(request.send().await, || "remember the stream".into())
    }

    async fn release(&self, shard: &ShardId, me: &str, counter: u64) -> Result<Written, PortError> {
        let request = self.update(&shard.0, counter, "REMOVE leaseOwner SET leaseCounter = :next");
        let request = request.expression_attribute_values(":me", text(me));
        let request = request.condition_expression("leaseOwner = :me AND leaseCounter = :known");
        written(request, shard).await
    }

    async fn store_checkpoint(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        let update =
            "SET checkpoint = :at, entityType = if_not_exists(entityType, :lease) ADD leaseCounter :one";
        let request = self.client.update_item().table_name(&self.name).key("leaseKey", text(&*shard.0));
        let request = request.update_expression(update);
        let request = request.expression_attribute_values(":at", text(checkpoint_text(position)));
        let request = request.expression_attribute_values(":lease", text(row::LEASE));
        let sent = request.expression_attribute_values(":one", number(1)).send().await;
        sent.map(drop).map_err(|error| failure::port_error(format!("checkpoint {shard}"), &error))
    }

    async fn beat(&self, me: &str, count: u64) -> Result<(), PortError> {
        let item = Item::from([
            ("leaseKey".into(), text(me)),
            ("leaseCounter".into(), number(count)),
            ("entityType".into(), text(WORKER)),
        ]);
        let sent = self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await;
        sent.map(drop).map_err(|error| failure::port_error("say that this process lives", &error))
    }

    async fn delete(&self, name: &str) -> Result<(), PortError> {
        let sent = self.client.delete_item().table_name(&self.name).key("leaseKey", text(name)).send().await;
        sent.map(drop).map_err(|error| failure::port_error(format!("delete the row of {name}"), &error))
    }
}

/// Makes a conditional change.
async fn written(request: UpdateItemFluentBuilder, shard: &ShardId) -> Result<Written, PortError> {
    let error = match request.send().await {
        Ok(_) => return Ok(Written::Yes),
        Err(error) => error,
    };
    if let SdkError::ServiceError(answer) = &error
        && let UpdateItemError::ConditionalCheckFailedException(failed) = answer.err()
    {
        return Ok(Written::Refused(match failed.item().and_then(row::read) {
            Some(LeaseTableRow::Lease(now)) => Some(now),
            _ => None,
        }));
    }
    Err(failure::port_error(format!("change the lease of {shard}"), &error))
}

/// Whether a conditional put was made.
fn made(
    sent: Result<PutItemOutput, SdkError<PutItemError>>,
    attempted: impl FnOnce() -> String,
) -> Result<bool, PortError> {
    match sent {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), PutItemError::ConditionalCheckFailedException(_)) =>
        {
            Ok(false)
        }
        Err(error) => Err(failure::port_error(attempted(), &error)),
    }
}
