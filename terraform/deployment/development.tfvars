# A small deployment to try things out: tasks in one zone, one NAT gateway, one
# node of each store, nothing protected from `terraform destroy`. A load balancer
# and a database's subnet group need subnets in a second zone all the same.

name        = "sluice-dev"
environment = "development"

region              = "eu-central-1"
zones               = ["eu-central-1a", "eu-central-1b"]
task_zones          = 1
nat_in_each_zone    = false
interface_endpoints = false

# On port 8443 of the public load balancer, only for your own addresses.
admin_access = "allow_list"

ingest    = { cpu = 256, memory = 1024, tasks_min = 1, tasks_max = 2 }
processor = { cpu = 256, memory = 1024, tasks_min = 1 }

stream                 = { mode = "provisioned", shards = 1 }
retention_days         = 7
point_in_time_recovery = false
database               = { instance_class = "db.t4g.micro", multi_az = false, backup_days = 1 }
cache                  = { node_type = "cache.t4g.micro", nodes = 1 }

container_insights  = false
log_retention_days  = 14
deletion_protection = false
