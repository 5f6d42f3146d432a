# Alarms on the program's own metrics, which it writes in a line a minute
# (telemetry.emf; docs/metrics.md). A missing count is no reason for an alarm, but
# a missing process is: see "processors-down".

locals {
  own = {
    namespace = var.metrics_namespace
    period    = 60
    periods   = 1
    threshold = 0
    statistic = "Sum"
    below     = false
    missing   = "notBreaching"
  }
  ingest    = { dimensions = { Role = "ingest" } }
  processor = { dimensions = { Role = "processor" } }

  product_alarms = {
    processors-down = merge(local.own, local.processor, {
      says      = "No processor reported for three minutes: nothing is delivered"
      section   = "no-processor-runs"
      metric    = "Processes"
      threshold = 1
      periods   = 3
      below     = true
      missing   = "breaching"
    })
    lag = merge(local.own, local.processor, {
      says      = "Events are matched more than ${var.lag_s} s after they were accepted"
      section   = "the-stream-is-behind"
      metric    = "LagSeconds"
      statistic = "Maximum"
      threshold = var.lag_s
      periods   = 5
    })
    checkpoint-age = merge(local.own, local.processor, {
      says      = "Nothing of a shard was settled for a minute"
      section   = "a-checkpoint-stalls"
      metric    = "CheckpointAgeSeconds"
      statistic = "Maximum"
      threshold = 60
      periods   = 2
    })
    set-aside = merge(local.own, local.processor, {
      says    = "Records or items could not be read or stored, and were set aside with their bytes"
      section = "something-was-set-aside"
      metric  = "SetAside"
    })
    log-gap = merge(local.own, local.processor, {
      says    = "Accepted events were lost: the stream forgot them or was made anew"
      section = "events-were-lost"
      metric  = "LogGaps"
    })
    ingest-dependency-lost = merge(local.own, local.ingest, {
      says      = "Ingest tasks get no answer from a service that they need"
      section   = "a-dependency-is-lost"
      metric    = "DependenciesLost"
      statistic = "Maximum"
      periods   = 2
    })
    processor-dependency-lost = merge(local.own, local.processor, {
      says      = "Processors get no answer from a service that they need"
      section   = "a-dependency-is-lost"
      metric    = "DependenciesLost"
      statistic = "Maximum"
      periods   = 2
    })
    ingest-dependency-denied = merge(local.own, local.ingest, {
      says      = "A service refuses ingest tasks until an operator acts"
      section   = "a-dependency-is-denied"
      metric    = "DependenciesDenied"
      statistic = "Maximum"
    })
    processor-dependency-denied = merge(local.own, local.processor, {
      says      = "A service refuses processors until an operator acts"
      section   = "a-dependency-is-denied"
      metric    = "DependenciesDenied"
      statistic = "Maximum"
    })
    records-refused = merge(local.own, local.ingest, {
      says    = "The stream refuses records for good; their producers are answered 503"
      section = "the-stream-refuses-records"
      metric  = "RecordsRefused"
    })
    store-failing = merge(local.own, local.processor, {
      says    = "For minutes facts, retries or checkpoints could not be stored"
      section = "a-store-fails"
      metric  = "StoreFailures"
      periods = 5
    })
    task-restarts = merge(local.own, local.processor, {
      says    = "A task inside a processor ended when it should not have, and was started again"
      section = "a-task-restarts"
      metric  = "TaskRestarts"
    })
    settings-wrong = merge(local.own, local.processor, {
      says      = "Settings of the stream, the tables or the queues are not as Sluice needs them"
      section   = "settings-are-wrong"
      metric    = "SettingsWrong"
      statistic = "Maximum"
      periods   = 5
    })
    side-calls-failing = merge(local.own, local.processor, {
      says    = "For a quarter of an hour calls to SQS that only tidy up failed"
      section = "sqs-side-calls-fail"
      metric  = "SideCallsFailed"
      periods = 15
    })
  }
}
