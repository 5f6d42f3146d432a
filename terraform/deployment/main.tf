# A deployment. The settings in which deployments differ are in terraform.tfvars, which
# begins as a copy of development.tfvars or production.tfvars beside this file.

module "sluice" {
  source = "../modules/deployment"

  name        = var.name
  environment = var.environment

  zones               = var.zones
  task_zones          = var.task_zones
  nat_in_each_zone    = var.nat_in_each_zone
  interface_endpoints = var.interface_endpoints

  domain          = var.domain
  zone_id         = var.zone_id
  certificate_arn = var.certificate_arn
  admin_access    = var.admin_access
  admin_cidrs     = var.admin_cidrs

  image_tag    = var.image_tag
  architecture = var.architecture
  ingest       = var.ingest
  # More processors than shards would do nothing.
  processor = merge(var.processor, { tasks_max = var.stream.shards })

  stream                 = var.stream
  retention_days         = var.retention_days
  tables                 = var.tables
  point_in_time_recovery = var.point_in_time_recovery
  database               = var.database
  cache                  = var.cache

  alarm_mails         = var.alarm_mails
  runbook_url         = var.runbook_url
  container_insights  = var.container_insights
  log_retention_days  = var.log_retention_days
  deletion_protection = var.deletion_protection

  redis_password_secret_arn = var.redis_password_secret_arn
  admin_token_version       = var.admin_token_version
  keep_previous_admin_token = var.keep_previous_admin_token
  postgres_password_version = var.postgres_password_version
}
