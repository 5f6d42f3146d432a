output "name" {
  description = "The stream's name, once it exists."
  value       = one(concat(aws_kinesis_stream.on_demand, aws_kinesis_stream.provisioned)).name
}

output "arn" {
  description = "The stream's ARN."
  value       = local.arn
}

output "consumer" {
  description = "The name of the fan-out consumer, empty where there is none."
  value       = var.fan_out ? aws_kinesis_stream_consumer.processors[0].name : ""
}
