# The number of tasks. Ingest tasks follow requests and CPU; processors follow the age
# of the records that they have not read, and never outnumber the stream's shards,
# since a processor without a shard would only wait.

resource "aws_appautoscaling_target" "ingest" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster}/${var.services.ingest}"
  min_capacity       = var.ingest.min
  max_capacity       = var.ingest.max
}

resource "aws_appautoscaling_policy" "ingest_cpu" {
  name               = "${var.name}-ingest-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.ingest.service_namespace
  scalable_dimension = aws_appautoscaling_target.ingest.scalable_dimension
  resource_id        = aws_appautoscaling_target.ingest.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_out_cooldown = 60
    scale_in_cooldown  = 300
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "ingest_requests" {
  name               = "${var.name}-ingest-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.ingest.service_namespace
  scalable_dimension = aws_appautoscaling_target.ingest.scalable_dimension
  resource_id        = aws_appautoscaling_target.ingest.resource_id

  target_tracking_scaling_policy_configuration {
    # Requests of a task in a minute.
    target_value       = var.ingest.requests_per_minute
    scale_out_cooldown = 60
    scale_in_cooldown  = 300
    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${var.load_balancer}/${var.api_target_group}"
    }
  }
}

resource "aws_appautoscaling_target" "processor" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster}/${var.services.processor}"
  min_capacity       = var.processor.min
  max_capacity       = var.processor.max
}

resource "aws_appautoscaling_policy" "processor_out" {
  name               = "${var.name}-processor-out"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.processor.service_namespace
  scalable_dimension = aws_appautoscaling_target.processor.scalable_dimension
  resource_id        = aws_appautoscaling_target.processor.resource_id

  step_scaling_policy_configuration {
    adjustment_type          = "PercentChangeInCapacity"
    metric_aggregation_type  = "Maximum"
    min_adjustment_magnitude = 1
    # Leases move to a new task within seconds; then it has to catch up.
    cooldown = 120

    # From the alarm's threshold on: 30 s to 2 minutes behind, and more.
    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = 90000
      scaling_adjustment          = 25
    }
    step_adjustment {
      metric_interval_lower_bound = 90000
      scaling_adjustment          = 100
    }
  }
}

resource "aws_appautoscaling_policy" "processor_in" {
  name               = "${var.name}-processor-in"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.processor.service_namespace
  scalable_dimension = aws_appautoscaling_target.processor.scalable_dimension
  resource_id        = aws_appautoscaling_target.processor.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = 600

    step_adjustment {
      metric_interval_upper_bound = 0
      scaling_adjustment          = -1
    }
  }
}

locals {
  # Shards that are polled and shards that push tell their age by different metrics.
  age = var.fan_out_consumer == "" ? {
    metric     = "GetRecords.IteratorAgeMilliseconds"
    dimensions = { StreamName = var.stream }
    } : {
    metric     = "SubscribeToShardEvent.MillisBehindLatest"
    dimensions = { StreamName = var.stream, ConsumerName = var.fan_out_consumer }
  }
}

resource "aws_cloudwatch_metric_alarm" "behind" {
  alarm_name          = "${var.name}-scale-processors-out"
  alarm_description   = "Starts processors; not an alarm for people. See docs/runbook.md#the-stream-is-behind"
  namespace           = "AWS/Kinesis"
  metric_name         = local.age.metric
  dimensions          = local.age.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  threshold           = 30000
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.processor_out.arn]
}

# Not behind, and with time to spare: a processor is ended.
resource "aws_cloudwatch_metric_alarm" "idle" {
  alarm_name          = "${var.name}-scale-processors-in"
  alarm_description   = "Ends a processor that is not needed; not an alarm for people. See docs/runbook.md#the-stream-is-behind"
  evaluation_periods  = 15
  threshold           = 40
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.processor_in.arn]

  # While the processors are behind, they count as busy.
  metric_query {
    id          = "load"
    expression  = "IF(age > 5000, 100, cpu)"
    label       = "CPU in percent, or 100 while behind"
    return_data = true
  }

  metric_query {
    id = "age"
    metric {
      namespace   = "AWS/Kinesis"
      metric_name = local.age.metric
      dimensions  = local.age.dimensions
      stat        = "Maximum"
      period      = 60
    }
  }

  metric_query {
    id = "cpu"
    metric {
      namespace   = "AWS/ECS"
      metric_name = "CPUUtilization"
      dimensions  = { ClusterName = var.cluster, ServiceName = var.services.processor }
      stat        = "Average"
      period      = 60
    }
  }
}
