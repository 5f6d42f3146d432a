# Alarms on the metrics of AWS's services.

locals {
  stream  = { namespace = "AWS/Kinesis", dimensions = { StreamName = var.stream }, statistic = "Sum" }
  public  = { namespace = "AWS/ApplicationELB", dimensions = { LoadBalancer = var.load_balancer }, statistic = "Sum" }
  targets = merge(local.public, { dimensions = { LoadBalancer = var.load_balancer, TargetGroup = var.api_target_group } })
  theirs  = { period = 60, periods = 1, threshold = 0, below = false, missing = "notBreaching" }

  service_alarms = {
    # No healthy task, or no data at all.
    api-down = merge(local.theirs, local.targets, {
      says      = "No ingest task is ready to take events"
      section   = "the-api-is-down"
      metric    = "HealthyHostCount"
      statistic = "Maximum"
      threshold = 1
      periods   = 3
      below     = true
      missing   = "breaching"
    })
    messages-waiting = merge(local.theirs, {
      says       = "More than ${var.messages_waiting} deliveries are due and not taken by any processor"
      section    = "deliveries-wait"
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.deliveries_queue }
      statistic  = "Maximum"
      threshold  = var.messages_waiting
      periods    = 5
    })
    dead-letters = merge(local.theirs, {
      says       = "More than ${var.dead_letters} deliveries were given up and wait for somebody to look"
      section    = "dead-letters-gather"
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.dead_letters_queue }
      statistic  = "Maximum"
      threshold  = var.dead_letters
    })
    stream-age = merge(local.theirs, local.stream, {
      says       = "The oldest record that processors have not read is more than ${var.stream_age_s} s old"
      section    = "the-stream-is-behind"
      metric     = var.fan_out_consumer == "" ? "GetRecords.IteratorAgeMilliseconds" : "SubscribeToShardEvent.MillisBehindLatest"
      dimensions = merge(local.stream.dimensions, var.fan_out_consumer == "" ? {} : { ConsumerName = var.fan_out_consumer })
      statistic  = "Maximum"
      threshold  = var.stream_age_s * 1000
      periods    = 5
    })
    stream-throttles-writes = merge(local.theirs, local.stream, {
      says    = "The stream throttles writes: its shards, or one of them, are full"
      section = "the-stream-throttles"
      metric  = "WriteProvisionedThroughputExceeded"
      periods = 5
    })
    stream-throttles-reads = merge(local.theirs, local.stream, {
      says    = "The stream throttles reads: somebody else reads it beside the processors"
      section = "the-stream-throttles"
      metric  = "ReadProvisionedThroughputExceeded"
      periods = 10
    })
    database-storage = merge(local.theirs, {
      says       = "The database has less than 2 GiB of storage left"
      section    = "the-database-is-short"
      namespace  = "AWS/RDS"
      metric     = "FreeStorageSpace"
      dimensions = { DBInstanceIdentifier = var.database }
      statistic  = "Minimum"
      threshold  = 2147483648
      periods    = 5
      below      = true
    })
    database-cpu = merge(local.theirs, {
      says       = "The database was busy for a quarter of an hour"
      section    = "the-database-is-short"
      namespace  = "AWS/RDS"
      metric     = "CPUUtilization"
      dimensions = { DBInstanceIdentifier = var.database }
      statistic  = "Average"
      threshold  = 80
      periods    = 15
    })
  }

  table_alarms = {
    for pair in setproduct(["events", "leases"], ["Read", "Write"]) :
    "${pair[0]}-${lower(pair[1])}-throttled" => merge(local.theirs, {
      says       = "DynamoDB throttles ${lower(pair[1])}s of the table of ${pair[0]}"
      section    = "a-table-throttles"
      namespace  = "AWS/DynamoDB"
      metric     = "${pair[1]}ThrottleEvents"
      dimensions = { TableName = pair[0] == "events" ? var.events_table : var.leases_table }
      statistic  = "Sum"
      periods    = 5
    })
  }

  # With noeviction a full cache refuses writes, and keyed requests are answered 503.
  cache_alarms = {
    for node in var.cache_nodes : "cache-memory-${node}" => merge(local.theirs, {
      says       = "The cache ${node} is almost full"
      section    = "the-cache-is-full"
      namespace  = "AWS/ElastiCache"
      metric     = "DatabaseMemoryUsagePercentage"
      dimensions = { CacheClusterId = node }
      statistic  = "Maximum"
      threshold  = 80
      periods    = 5
    })
  }

  metric_alarms = merge(local.product_alarms, local.service_alarms, local.table_alarms, local.cache_alarms)

  expression_alarms = {
    # With few requests, one failure would be many percent.
    errors = {
      says       = "More than 5 % of the requests were answered 5xx for ten minutes"
      section    = "requests-fail"
      expression = "IF(requests + unanswered > ${var.requests_min}, 100 * (failed + unanswered) / (requests + unanswered), 0)"
      label      = "Requests answered 5xx, in percent"
      threshold  = 5
      period     = 300
      periods    = 2
      metrics = {
        requests = merge(local.public, { metric = "RequestCount" })
        failed   = merge(local.public, { metric = "HTTPCode_Target_5XX_Count" })
        # No task could be asked, so the load balancer answered.
        unanswered = merge(local.public, { metric = "HTTPCode_ELB_5XX_Count" })
      }
    }
    # Exact over all processes: p95 is above 5 s if more than 5 % are.
    late = {
      says       = "The 95th percentile from acceptance to receipt is above 5 s"
      section    = "receipts-are-late"
      expression = "IF(receipts > ${var.receipts_min}, 100 * late / receipts, 0)"
      label      = "Receipts later than 5 s, in percent"
      threshold  = 5
      period     = 300
      periods    = 2
      metrics = {
        receipts = { namespace = var.metrics_namespace, metric = "Receipts", dimensions = local.processor.dimensions, statistic = "Sum" }
        late     = { namespace = var.metrics_namespace, metric = "ReceiptsSlow", dimensions = local.processor.dimensions, statistic = "Sum" }
      }
    }
    webhooks-fail = {
      says       = "More than half of all webhook POSTs fail"
      section    = "webhooks-fail"
      expression = "IF(posts > ${var.receipts_min}, 100 * failed / posts, 0)"
      label      = "POSTs that failed, in percent"
      threshold  = 50
      period     = 300
      periods    = 3
      metrics = {
        posts  = { namespace = var.metrics_namespace, metric = "Posts", dimensions = local.processor.dimensions, statistic = "Sum" }
        failed = { namespace = var.metrics_namespace, metric = "PostsFailed", dimensions = local.processor.dimensions, statistic = "Sum" }
      }
    }
  }
}
