# A deployment for customers: three zones, two of everything that may fail, backups,
# and protection from deletion. docs/operate.md says which sizes carry which load.

name        = "sluice"
environment = "production"

region              = "eu-central-1"
zones               = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
task_zones          = 3
nat_in_each_zone    = true
interface_endpoints = true

# On a load balancer inside the network, for the operator's network (a VPN, a peering).
admin_access = "internal"

ingest    = { cpu = 1024, memory = 2048, tasks_min = 3, tasks_max = 30 }
processor = { cpu = 1024, memory = 4096, tasks_min = 3 }

# fan_out = true: shards push their records to the processors (enhanced fan-out).
stream                 = { mode = "provisioned", shards = 6, retention_hours = 168, fan_out = false }
retention_days         = 90
point_in_time_recovery = true
database               = { instance_class = "db.m7g.large", multi_az = true, backup_days = 14 }
cache                  = { node_type = "cache.r7g.large", nodes = 3 }

container_insights  = true
log_retention_days  = 365
deletion_protection = true
