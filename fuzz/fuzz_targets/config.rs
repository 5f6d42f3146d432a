//! Fuzz target `config`: a TOML file as the sections of the configuration, and
//! their checks. The ordinary test of `src/config.rs` runs the whole of it.
#![no_main]

use serde::Deserialize;

#[derive(Deserialize)]
struct Sections {
    #[serde(default)]
    ingest: sluice_ingest::IngestConfig,
    #[serde(default)]
    engine: sluice_embedded::EngineConfig,
    #[serde(default)]
    processor: sluice_processor::ProcessorConfig,
    #[serde(default)]
    secrets: sluice_catalogue::sealing::SealingConfig,
    #[serde(default)]
    telemetry: sluice_telemetry::TelemetryConfig,
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(sections) = toml::from_str::<Sections>(text) else { return };
    let checked = [sections.ingest.validate(), sections.engine.validate(), sections.processor.validate(), sections.secrets.validate()];
    std::hint::black_box((checked, sections.telemetry.log_filter.len()));
});
