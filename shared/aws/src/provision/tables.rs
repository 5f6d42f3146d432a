//! The settings of the tables: their keys, and the expiry of items.

use super::difference::{Difference, Thing};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use async_trait::async_trait;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus,
};
use sluice_ports::PortError;

const KEYS: &str = "the key";
const EXPIRY: &str = "the attribute by which items expire";
/// The attribute with the time when an item may be deleted.
const EXPIRY_ATTRIBUTE: &str = "ttl";

/// The keys of a table, which are all strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TableKeys {
    partition: &'static str,
    sort: Option<&'static str>,
}

/// Whether items of a table expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    ByTtl,
    Never,
}

pub(super) struct TableThing<'a> {
    clients: &'a Clients,
    table: &'a str,
    keys: TableKeys,
    expiry: Expiry,
}

impl<'a> TableThing<'a> {
    /// The table of events, facts, dead letters and rows.
    pub(super) fn events(clients: &'a Clients, config: &'a AwsConfig) -> Self {
        let keys = TableKeys { partition: "pk", sort: Some("sk") };
        Self { clients, table: &config.events_table, keys, expiry: Expiry::ByTtl }
    }

    /// The table of leases.
    pub(super) fn leases(clients: &'a Clients, config: &'a AwsConfig) -> Self {
        let keys = TableKeys { partition: "leaseKey", sort: None };
        Self { clients, table: &config.leases_table, keys, expiry: Expiry::Never }
    }

    async fn describe(&self) -> Result<Option<TableDescription>, PortError> {
        match self.clients.dynamodb.describe_table().table_name(self.table).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(failure::port_error(format!("describe {}", self.name()), &error)),
        }
    }

    async fn describe_expiry(&self) -> Result<Option<TimeToLiveDescription>, PortError> {
        let asked = self.clients.dynamodb.describe_time_to_live().table_name(self.table).send().await;
        let attempted = || format!("ask how items of {} expire", self.name());
        Ok(asked.map_err(|error| failure::port_error(attempted(), &error))?.time_to_live_description)
    }
}

impl TableKeys {
    /// The keys in words: `pk (S), sk (S)`.
    fn words(self) -> String {
        let names = [Some(self.partition), self.sort];
        names.into_iter().flatten().map(|name| format!("{name} (S)")).collect::<Vec<_>>().join(", ")
    }

    fn schema(self) -> Result<Vec<(KeySchemaElement, AttributeDefinition)>, BuildError> {
        let keys = [(Some(self.partition), KeyType::Hash), (self.sort, KeyType::Range)];
        let keys = keys.into_iter().filter_map(|(name, kind)| Some((name?, kind)));
        keys.map(|(name, kind)| {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?;
            let definition = AttributeDefinition::builder().attribute_name(name);
            Ok((key, definition.attribute_type(ScalarAttributeType::S).build()?))
        })
        .collect()
    }
}

/// A table's keys in words, with their types.
fn key_words(table: &TableDescription) -> String {
    let types = table.attribute_definitions();
    let kind = |name: &str| {
        let found = types.iter().find(|definition| definition.attribute_name() == name);
        found.map_or("?", |definition| definition.attribute_type().as_str())
    };
    let mut keys: Vec<_> = table.key_schema().iter().collect();
    keys.sort_by_key(|key| *key.key_type() != KeyType::Hash);
    let keys = keys.iter().map(|key| format!("{} ({})", key.attribute_name(), kind(key.attribute_name())));
    keys.collect::<Vec<_>>().join(", ")
}

fn compare_keys(table: &TableDescription, wanted: TableKeys) -> Option<Difference> {
    let (found, wanted) = (key_words(table), wanted.words());
    let why = "a table's key cannot be changed: configure another table, or delete this one";
    (found != wanted).then(|| Difference::forbidden(KEYS, found, wanted, why))
}

fn compare_expiry(found: Option<&TimeToLiveDescription>) -> Option<Difference> {
    let status = found.and_then(TimeToLiveDescription::time_to_live_status);
    match (status, found.and_then(TimeToLiveDescription::attribute_name)) {
        (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), Some(name)) => {
            let why =
                "DynamoDB expires by one attribute: disable the other, wait an hour, and run this again";
            (name != EXPIRY_ATTRIBUTE).then(|| Difference::forbidden(EXPIRY, name, EXPIRY_ATTRIBUTE, why))
        }
        (Some(TimeToLiveStatus::Disabling), _) => {
            let why = "it is being disabled, which takes up to an hour: run this again then";
            Some(Difference::forbidden(EXPIRY, "none", EXPIRY_ATTRIBUTE, why))
        }
        _ => Some(Difference::mendable(EXPIRY, "none", EXPIRY_ATTRIBUTE)),
    }
}

#[async_trait]
impl Thing for TableThing<'_> {
    fn name(&self) -> String {
        format!("table {}", self.table)
    }

    async fn make(&self) -> Result<bool, PortError> {
        if self.describe().await?.is_some() {
            return Ok(false);
        }
        let request = self.clients.dynamodb.create_table().table_name(self.table);
        let mut request = request.billing_mode(BillingMode::PayPerRequest);
        let attempted = || format!("make {}", self.name());
        for (key, definition) in
            self.keys.schema().map_err(|error| PortError::unavailable(attempted(), error))?
        {
            request = request.key_schema(key).attribute_definitions(definition);
        }
        match request.send().await {
            Ok(_) => Ok(true),
            // Another process made it in the meantime.
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(failure::port_error(attempted(), &error)),
        }
    }

    async fn differences(&self) -> Result<Option<Vec<Difference>>, PortError> {
        let Some(table) = self.describe().await? else { return Ok(None) };
        let mut differences: Vec<_> = compare_keys(&table, self.keys).into_iter().collect();
        if self.expiry == Expiry::ByTtl {
            differences.extend(compare_expiry(self.describe_expiry().await?.as_ref()));
        }
        Ok(Some(differences))
    }

    async fn mend(&self, _expiry: &Difference) -> Result<(), PortError> {
        let attempted = || format!("let items of {} expire", self.name());
        let by_ttl =
            TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRY_ATTRIBUTE).build();
        let by_ttl = by_ttl.map_err(|error| PortError::unavailable(attempted(), error))?;
        let request = self.clients.dynamodb.update_time_to_live().table_name(self.table);
        let sent = request.time_to_live_specification(by_ttl).send().await;
        sent.map(drop).map_err(|error| failure::port_error(attempted(), &error))
    }

    async fn is_ready(&self) -> Result<bool, PortError> {
        let status = self.describe().await?.and_then(|table| table.table_status);
        // A table can be read and written while it is being updated.
        Ok(matches!(status, Some(TableStatus::Active | TableStatus::Updating)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[(&str, KeyType, ScalarAttributeType)]) -> TableDescription {
        let mut table = TableDescription::builder();
        for (name, kind, scalar) in keys {
            let key = KeySchemaElement::builder().attribute_name(*name).key_type(kind.clone());
            let definition =
                AttributeDefinition::builder().attribute_name(*name).attribute_type(scalar.clone());
            table = table.key_schema(key.build().unwrap()).attribute_definitions(definition.build().unwrap());
        }
        table.build()
    }

    #[test]
    fn other_keys_are_named_and_may_not_be_changed() {
        let wanted = TableKeys { partition: "pk", sort: Some("sk") };
        let (text, number) = (ScalarAttributeType::S, ScalarAttributeType::N);
        let right = table(&[("sk", KeyType::Range, text.clone()), ("pk", KeyType::Hash, text.clone())]);
        assert_eq!(compare_keys(&right, wanted), None);
        let wrong = table(&[("pk", KeyType::Hash, text), ("sk", KeyType::Range, number)]);
        let difference = compare_keys(&wrong, wanted).unwrap();
        assert!(difference.to_string().starts_with("the key is pk (S), sk (N), not pk (S), sk (S)"));
    }

    #[test]
    fn expiry_is_mended_where_it_is_off_and_not_where_it_is_somebody_s() {
        let found = |status: TimeToLiveStatus, name: &str| {
            let found = TimeToLiveDescription::builder().time_to_live_status(status).attribute_name(name);
            compare_expiry(Some(&found.build()))
        };
        assert_eq!(found(TimeToLiveStatus::Enabled, "ttl"), None);
        assert_eq!(found(TimeToLiveStatus::Enabling, "ttl"), None);
        assert_eq!(
            found(TimeToLiveStatus::Disabled, "ttl"),
            Some(Difference::mendable(EXPIRY, "none", "ttl"))
        );
        assert_eq!(compare_expiry(None), Some(Difference::mendable(EXPIRY, "none", "ttl")));
        assert!(found(TimeToLiveStatus::Enabled, "x").unwrap().to_string().contains("disable the other"));
        assert!(found(TimeToLiveStatus::Disabling, "ttl").unwrap().to_string().contains("run this again"));
    }
}
