# A deployment for customers: three zones, everything that may die twice, backups,
# and nothing that one command deletes. docs/operate.md says which sizes carry
# which load.

module "sluice" {
  source = "../../modules/deployment"

  name        = var.name
  environment = "production"

  zones               = var.zones
  task_zones          = length(var.zones)
  nat_in_each_zone    = true
  interface_endpoints = true

  domain          = var.domain
  zone_id         = var.zone_id
  certificate_arn = var.certificate_arn
  admin_access    = "internal"
  admin_cidrs     = var.admin_cidrs

  image_tag    = var.image_tag
  architecture = var.architecture
  ingest       = { cpu = 1024, memory = 2048, tasks_min = 3, tasks_max = 30 }
  processor    = { cpu = 1024, memory = 4096, tasks_min = 3, tasks_max = var.shards }

  stream                 = { mode = "provisioned", shards = var.shards, retention_hours = 168, fan_out = var.fan_out }
  tables                 = var.tables
  point_in_time_recovery = true
  database               = { instance_class = "db.m7g.large", multi_az = true, backup_days = 14 }
  cache                  = { node_type = "cache.r7g.large", nodes = 3 }

  alarm_mails         = var.alarm_mails
  runbook_url         = var.runbook_url
  container_insights  = true
  log_retention_days  = 365
  deletion_protection = true

  redis_password_secret_arn = var.redis_password_secret_arn
  admin_token_version       = var.admin_token_version
  keep_previous_admin_token = var.keep_previous_admin_token
  postgres_password_version = var.postgres_password_version
}
