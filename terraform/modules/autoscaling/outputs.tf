output "behind_alarm" {
  description = "The alarm that starts processors."
  value       = aws_cloudwatch_metric_alarm.behind.alarm_name
}
