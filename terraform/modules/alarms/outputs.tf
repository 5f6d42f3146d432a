output "topic_arn" {
  description = "The topic of the alarms; subscribe a pager to it."
  value       = aws_sns_topic.this.arn
}

output "alarm_names" {
  description = "All alarms for people."
  value       = sort([for alarm in concat(values(aws_cloudwatch_metric_alarm.metric), values(aws_cloudwatch_metric_alarm.expression)) : alarm.alarm_name])
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

output "alarm_arns" {
  description = "Their ARNs."
  value = sort([
    for alarm in concat(values(aws_cloudwatch_metric_alarm.metric), values(aws_cloudwatch_metric_alarm.expression)) : join(":", [
      "arn:${data.aws_partition.current.partition}:cloudwatch", data.aws_region.current.name,
      data.aws_caller_identity.current.account_id, "alarm", alarm.alarm_name,
    ])
  ])
}
