# The roles as services of ECS on Fargate.

data "aws_region" "current" {}

locals {
  # The ports on which the processes listen inside their tasks.
  api_port       = 8080
  admin_port     = 8081
  processor_port = 8082
  # Above the drain of both roles (docs/operate.md), below Fargate's 120 s.
  stop_timeout_s = 60
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
  #checkov:skip=CKV_AWS_65: a cost of its own by metric; the deployment's choice (container_insights)
}

resource "aws_cloudwatch_log_group" "role" {
  #checkov:skip=CKV_AWS_338: how long logs are kept is the deployment's choice (log_retention_days)
  for_each          = local.containers
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_ecs_task_definition" "role" {
  for_each                 = local.containers
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  task_role_arn            = var.task_role_arns[each.key]
  execution_role_arn       = var.execution_role_arns[each.key]
  container_definitions    = jsonencode([each.value.definition])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }
}

resource "aws_ecs_service" "ingest" {
  name            = "ingest"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.role["ingest"].arn
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # Autoscaling's from here on.
  desired_count                      = var.ingest.tasks_min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  # A task may wait this long for its dependencies (the first time: for the schema) before
  # it counts as one that cannot start; existing tasks go on meanwhile.
  health_check_grace_period_seconds = 600
  availability_zone_rebalancing     = "ENABLED"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.role["ingest"].id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.api_target_group_arn
    container_name   = "ingest"
    container_port   = local.api_port
  }

  load_balancer {
    target_group_arn = var.admin_target_group_arn
    container_name   = "ingest"
    container_port   = local.admin_port
  }

  # A target group takes tasks only once a listener uses it.
  depends_on = [var.listeners]

  lifecycle {
    ignore_changes = [desired_count]
  }
}

resource "aws_ecs_service" "processor" {
  name            = "processor"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.role["processor"].arn
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # Autoscaling's from here on.
  desired_count                      = var.processor.tasks_min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.role["processor"].id]
    assign_public_ip = false
  }

  lifecycle {
    ignore_changes = [desired_count]
  }
}
