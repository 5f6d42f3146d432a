use super::*;

mod hostile;
mod judging;

fn compiled(schema: &str) -> EventSchema {
    EventSchema::compile(schema, &SchemaLimits::default())
        .unwrap_or_else(|fault| panic!("{schema}: {fault:?}"))
}

fn refused(schema: &str) -> SchemaFault {
    EventSchema::compile(schema, &SchemaLimits::default()).expect_err(schema)
}

fn read(payload: &str) -> SchemaPayload {
    SchemaPayload::read(payload).unwrap_or_else(|misfit| panic!("{payload}: {misfit:?}"))
}

fn misfits(schema: &EventSchema, payload: &str) -> Vec<(String, String)> {
    let told = schema.misfits(&read(payload), 10);
    told.into_iter().map(|misfit| (misfit.pointer, misfit.message)).collect()
}

fn fits(schema: &str, payload: &str) -> bool {
    misfits(&compiled(schema), payload).is_empty()
}
