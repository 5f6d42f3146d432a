# One page: events in, deliveries out, backlogs, and failures.

data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name
  own    = var.metrics_namespace

  ingest    = ["Role", "ingest"]
  processor = ["Role", "processor"]
  age       = var.fan_out_consumer == "" ? ["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", var.stream] : ["AWS/Kinesis", "SubscribeToShardEvent.MillisBehindLatest", "StreamName", var.stream, "ConsumerName", var.fan_out_consumer]

  # Title, statistic, series. Six rows of three.
  panels = [
    ["Events a minute", "Sum", [
      concat([local.own, "EventsAccepted"], local.ingest),
      concat([local.own, "EventsMatched"], local.processor),
      concat([local.own, "EventsDelivered"], local.processor),
    ]],
    ["Requests and failures a minute", "Sum", [
      ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer],
      ["AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", "LoadBalancer", var.load_balancer],
      ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.load_balancer],
      ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", var.load_balancer],
    ]],
    ["Time to 202 and to durability, p99 of the slowest task (ms)", "Maximum", [
      concat([local.own, "AcceptTimeP99"], local.ingest),
      concat([local.own, "AppendTimeP99"], local.ingest),
    ]],
    ["From acceptance to receipt, p95 of the slowest task (ms)", "Maximum", [
      concat([local.own, "ReceiptTimeP95"], local.processor),
    ]],
    ["Webhook POSTs a minute", "Sum", [
      concat([local.own, "Posts"], local.processor),
      concat([local.own, "PostsFailed"], local.processor),
      concat([local.own, "Retries"], local.processor),
    ]],
    ["Behind: matching (s)", "Maximum", [
      concat([local.own, "LagSeconds"], local.processor),
      concat([local.own, "CheckpointAgeSeconds"], local.processor),
    ]],
    ["Age of what is not read (ms)", "Maximum", [local.age]],
    ["Deliveries that wait", "Maximum", [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.deliveries_queue],
      ["AWS/SQS", "ApproximateNumberOfMessagesDelayed", "QueueName", var.deliveries_queue],
      ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.deliveries_queue],
    ]],
    ["Dead letters", "Maximum", [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letters_queue],
      concat([local.own, "DeadLetters"], local.processor),
    ]],
    ["Tasks and shards", "Sum", [
      concat([local.own, "Processes"], local.ingest),
      concat([local.own, "Processes"], local.processor),
      concat([local.own, "Shards"], local.processor),
    ]],
    ["CPU (%)", "Average", [
      ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster, "ServiceName", var.services.ingest],
      ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster, "ServiceName", var.services.processor],
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database],
    ]],
    ["Memory (%)", "Maximum", concat(
      [
        ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster, "ServiceName", var.services.ingest],
        ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster, "ServiceName", var.services.processor],
      ],
      [for node in var.cache_nodes : ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "CacheClusterId", node]],
    )],
    ["The stream: bytes in and out a minute", "Sum", [
      ["AWS/Kinesis", "IncomingBytes", "StreamName", var.stream],
      ["AWS/Kinesis", "GetRecords.Bytes", "StreamName", var.stream],
    ]],
    ["Throttled a minute", "Sum", [
      ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", var.stream],
      ["AWS/Kinesis", "ReadProvisionedThroughputExceeded", "StreamName", var.stream],
      ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", var.events_table],
      ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", var.events_table],
    ]],
    ["Trouble", "Maximum", [
      concat([local.own, "DependenciesLost"], local.ingest),
      concat([local.own, "DependenciesDenied"], local.ingest),
      concat([local.own, "DependenciesLost"], local.processor),
      concat([local.own, "DependenciesDenied"], local.processor),
      concat([local.own, "SetAside"], local.processor),
      concat([local.own, "SettingsWrong"], local.processor),
    ]],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 4
        properties = { title = "Alarms (docs/runbook.md)", alarms = var.alarm_arns }
      }],
      [for place, panel in local.panels : {
        type   = "metric"
        x      = (place % 3) * 8
        y      = 4 + floor(place / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = panel[0]
          region  = local.region
          view    = "timeSeries"
          period  = 60
          stat    = panel[1]
          metrics = panel[2]
        }
      }],
    )
  })
}
