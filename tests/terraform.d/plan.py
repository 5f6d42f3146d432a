"""Asserts over the plan of a deployment: plan.py ENVIRONMENT FILE, where FILE is what
`terraform test -json -verbose` wrote.

Nothing is public but the load balancer, everything is encrypted, no policy names
all resources beside those that AWS demands, tasks are hardened, secrets are in no
value, and each role has exactly the rights of actions.tf.
"""
import json, os, re, subprocess, sys

import documents, rights


class Plan:
    def __init__(self, path):
        plans = []
        with open(path) as lines:
            for line in lines:
                message = json.loads(line)
                if message["type"] == "test_plan":
                    plans.append(message["test_plan"])
        if len(plans) != 1:
            raise SystemExit(f"{path} has {len(plans)} plans, not one")
        self.resources = {one["address"]: one for one in plans[0]["resource_changes"] if one["mode"] == "managed"}

    def values(self, kind):
        """Planned values of all resources of a kind, by address; there must be some."""
        found = {address: one["change"]["after"] for address, one in self.resources.items() if one["type"] == kind}
        assert found, f"the plan has no {kind}"
        return found

    def one(self, kind):
        found = list(self.values(kind).values())
        assert len(found) == 1, f"the plan has {len(found)} {kind}"
        return found[0]

    def unknown(self, address):
        return self.resources[address]["change"]["after_unknown"]


def statements(policy):
    for statement in json.loads(policy)["Statement"]:
        actions, resources = statement.get("Action", []), statement.get("Resource", [])
        yield {
            **statement,
            "Action": [actions] if isinstance(actions, str) else actions,
            "Resource": [resources] if isinstance(resources, str) else resources,
        }


def nothing_is_public_but_the_load_balancer(plan):
    balancers = plan.values("aws_lb")
    public = [address for address, one in balancers.items() if not one["internal"]]
    assert public == ["module.sluice.module.edge.aws_lb.public"], public
    for address, rule in plan.values("aws_vpc_security_group_ingress_rule").items():
        cidr = rule.get("cidr_ipv4")
        assert not rule.get("cidr_ipv6") and not rule.get("prefix_list_id"), address
        if cidr == "0.0.0.0/0":
            assert address.startswith("module.sluice.module.edge."), f"{address} lets everybody in"
            assert rule["from_port"] == rule["to_port"] and rule["from_port"] in (80, 443), address
    for address, listener in plan.values("aws_lb_listener").items():
        if listener["port"] == 80:
            action = listener["default_action"][0]
            assert action["type"] == "redirect" and action["redirect"][0]["protocol"] == "HTTPS", address
        else:
            assert listener["protocol"] == "HTTPS" and "TLS13" in listener["ssl_policy"], address
    assert not plan.one("aws_db_instance")["publicly_accessible"]
    for address, service in plan.values("aws_ecs_service").items():
        assert not service["network_configuration"][0]["assign_public_ip"], address
    for address, subnet in plan.values("aws_subnet").items():
        assert not subnet["map_public_ip_on_launch"], address
    block = plan.one("aws_s3_bucket_public_access_block")
    assert all(block[name] for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"))
    # Postgres and Valkey: from tasks alone.
    for address, rule in plan.values("aws_vpc_security_group_ingress_rule").items():
        if "module.database." in address or "module.cache." in address:
            assert not rule.get("cidr_ipv4"), f"{address} lets addresses in, not tasks"


def everything_is_encrypted(plan):
    key = plan.one("aws_kms_key")["arn"]
    assert plan.one("aws_kms_key")["enable_key_rotation"]
    for address, stream in plan.values("aws_kinesis_stream").items():
        assert (stream["encryption_type"], stream["kms_key_id"]) == ("KMS", key), address
    for address, table in plan.values("aws_dynamodb_table").items():
        assert table["server_side_encryption"] == [{"enabled": True, "kms_key_arn": key}], address
    for kind, field in {
        "aws_sqs_queue": "kms_master_key_id", "aws_secretsmanager_secret": "kms_key_id", "aws_cloudwatch_log_group": "kms_key_id",
        "aws_sns_topic": "kms_master_key_id", "aws_db_instance": "kms_key_id", "aws_elasticache_replication_group": "kms_key_id",
    }.items():
        for address, one in plan.values(kind).items():
            assert one[field] == key, f"{address}: {field} is {one[field]}"
    assert plan.one("aws_ecr_repository")["encryption_configuration"] == [{"encryption_type": "KMS", "kms_key": key}]
    assert plan.one("aws_db_instance")["storage_encrypted"]
    cache = plan.one("aws_elasticache_replication_group")
    assert str(cache["at_rest_encryption_enabled"]).lower() == "true"
    assert cache["transit_encryption_enabled"] and cache["transit_encryption_mode"] == "required"
    parameters = {one["name"]: one["value"] for one in plan.one("aws_db_parameter_group")["parameter"]}
    assert parameters["rds.force_ssl"] == "1"
    rule = plan.one("aws_s3_bucket_server_side_encryption_configuration")["rule"][0]
    assert rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "AES256"
    for address, volume in [(a, r) for a, r in plan.resources.items() if r["type"] in ("aws_ebs_volume", "aws_efs_file_system")]:
        raise AssertionError(f"{address}: no test says that {volume['type']} is encrypted")


# Resources of these kinds are encrypted above, or keep nothing that could be.
def every_kind_was_thought_of(plan):
    known = set(
        """aws_acm_certificate aws_acm_certificate_validation aws_appautoscaling_policy aws_appautoscaling_target aws_cloudwatch_dashboard
        aws_cloudwatch_log_group aws_cloudwatch_metric_alarm aws_db_instance aws_db_parameter_group aws_db_subnet_group
        aws_default_security_group aws_dynamodb_table aws_ecr_lifecycle_policy aws_ecr_repository aws_ecs_cluster aws_ecs_service
        aws_ecs_task_definition aws_eip aws_elasticache_parameter_group aws_elasticache_replication_group aws_elasticache_subnet_group
        aws_flow_log aws_iam_role aws_iam_role_policy aws_internet_gateway aws_kinesis_stream aws_kinesis_stream_consumer aws_kms_alias
        aws_kms_key aws_lb aws_lb_listener aws_lb_target_group aws_nat_gateway aws_route aws_route53_record aws_route_table
        aws_route_table_association aws_s3_bucket aws_s3_bucket_lifecycle_configuration aws_s3_bucket_policy
        aws_s3_bucket_public_access_block aws_s3_bucket_server_side_encryption_configuration aws_secretsmanager_secret
        aws_secretsmanager_secret_version aws_security_group aws_sns_topic aws_sns_topic_subscription aws_sqs_queue
        aws_sqs_queue_redrive_allow_policy aws_subnet aws_vpc aws_vpc_endpoint aws_vpc_security_group_egress_rule
        aws_vpc_security_group_ingress_rule aws_wafv2_web_acl_association terraform_data""".split()
    )
    kinds = {one["type"] for one in plan.resources.values()}
    assert kinds <= known, f"say in plan.py how these are encrypted and closed: {sorted(kinds - known)}"


def policies_name_what_they_allow(plan):
    for address, policy in plan.values("aws_iam_role_policy").items():
        assert policy.get("policy"), f"{address}: its policy is not known in the plan"
        for statement in statements(policy["policy"]):
            assert statement["Effect"] == "Allow" and "NotAction" not in statement and "NotResource" not in statement, address
            for action in statement["Action"]:
                assert "*" not in action, f"{address} allows {action}"
            for resource in statement["Resource"]:
                if resource == "*":
                    # AWS knows no resource for it.
                    assert statement["Action"] == ["ecr:GetAuthorizationToken"], f"{address}: {statement}"
                    continue
                # What AWS itself appends: a log group's streams, the time of a consumer's registration.
                exact = re.sub(r"(?<=:log-group:)([^:*]+):\*$", r"\1", resource)
                exact = re.sub(r"(/consumer/[^:*]+):\*$", r"\1", exact)
                assert "*" not in exact and "?" not in exact, f"{address} names {resource}"
    for address, role in plan.values("aws_iam_role").items():
        for statement in statements(role["assume_role_policy"]):
            assert "Service" in statement["Principal"] and statement["Condition"], f"{address}: anybody's service may take it"


def each_role_has_the_rights_of_its_list(plan):
    wanted = rights.allowed()
    fan_out = "aws_kinesis_stream_consumer" in {one["type"] for one in plan.resources.values()}
    for role in rights.ROLES:
        policy = plan.values("aws_iam_role_policy")[f'module.sluice.module.iam.aws_iam_role_policy.task["{role}"]']["policy"]
        granted, called_on = set(), {}
        for statement in statements(policy):
            if statement["Sid"] == "Key":
                assert statement["Condition"]["StringEquals"]["kms:ViaService"], "the key is for the services alone"
                continue
            granted |= set(statement["Action"])
            for resource in statement["Resource"]:
                called_on.setdefault(resource.split(":", 5)[5], set()).update(statement["Action"])
        listed = dict(wanted[role])
        if not fan_out:
            listed.pop("fan_out_stream", None), listed.pop("fan_out_consumer", None)
        assert granted == set().union(*listed.values()), f"{role}: {granted ^ set().union(*listed.values())}"
        on = {
            "table/sluice-events": "events_table", "table/sluice-leases": "leases_table",
            "sluice-deliveries": "deliveries_queue", "sluice-dead-letters": "dead_letters_queue",
        }
        for resource, thing in on.items():
            assert called_on[resource] == listed[thing], f"{role} on {resource}: {called_on[resource] ^ listed[thing]}"
        assert called_on["stream/sluice-events"] == listed["stream"] | listed.get("fan_out_stream", set()), role


def tasks_are_hardened_and_configured(plan):
    definitions = plan.values("aws_ecs_task_definition")
    assert len(definitions) == len(rights.ROLES)
    for address, definition in definitions.items():
        containers = json.loads(definition["container_definitions"])
        assert len(containers) == 1 and definition["network_mode"] == "awsvpc", address
        container = containers[0]
        role = container["name"]
        assert container["command"] == [role] and container["readonlyRootFilesystem"] is True, address
        assert not container.get("privileged") and "linuxParameters" not in container, address
        assert container["ulimits"][0]["name"] == "nofile" and container["ulimits"][0]["softLimit"] >= 65536, address
        if role != "provision":
            assert container["healthCheck"]["command"][:3] == ["CMD", "/usr/bin/sluice", "healthcheck"], address
        # Both roles end within half a minute of SIGTERM; Fargate kills after two at the latest.
        assert 30 < container["stopTimeout"] <= 120, address
        environment = {one["name"]: one["value"] for one in container["environment"]}
        secret = {one["name"] for one in container["secrets"]}
        assert "sslmode=verify-full" in environment["SLUICE_AWS__POSTGRES_URL"], address
        for name, value in environment.items():
            assert not re.search("TOKEN|PASSWORD|KEYS|SECRET", name), f"{address}: {name} is not a secret"
            assert "://" not in value or not re.search(r"://[^/@]*:[^/@]*@", value), f"{address}: {name} has a password"
        wanted = {
            "ingest": {"SLUICE_ADMIN_TOKEN", "SLUICE_AWS__POSTGRES_PASSWORD", "SLUICE_SECRETS__KEYS"},
            "processor": {"SLUICE_AWS__POSTGRES_PASSWORD", "SLUICE_SECRETS__KEYS"},
            "provision": {"SLUICE_AWS__POSTGRES_PASSWORD"},
        }[role]
        assert secret == wanted, f"{address}: {secret ^ wanted}"
        if role == "ingest":
            assert environment["SLUICE_AWS__REDIS_URL"].startswith("rediss://"), address
        else:
            assert "SLUICE_AWS__REDIS_URL" not in environment, address
        if role != "provision":
            assert environment["SLUICE_TELEMETRY__EMF"] == "true", address
    services = plan.values("aws_ecs_service")
    assert len(services) == 2
    for address, service in services.items():
        breaker = service["deployment_circuit_breaker"][0]
        assert breaker["enable"] and breaker["rollback"], address
        assert service["deployment_minimum_healthy_percent"] == 100, address
    for address, balancer in plan.values("aws_lb").items():
        # The ingest role closes unused connections after 75 s, and must not be the first.
        assert balancer["idle_timeout"] < 75 and balancer["drop_invalid_header_fields"], address


# Values like those that Secrets Manager will hold.
SECRETS = {
    "SLUICE_ADMIN_TOKEN": "token",
    "SLUICE_AWS__POSTGRES_PASSWORD": "password",
    "SLUICE_SECRETS__KEYS": '["k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]',
}


def the_program_takes_its_environment(plan):
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(rights.ROOT, "target"))
    program = os.environ.get("SLUICE_TEST_BIN", os.path.join(target, "release", "sluice"))
    if not os.access(program, os.X_OK):
        print(f"tests/terraform: SKIPPED: {program} is not built: it is not asked whether it takes the tasks' environment", file=sys.stderr)
        return
    for address, definition in plan.values("aws_ecs_task_definition").items():
        container = json.loads(definition["container_definitions"])[0]
        environment = {one["name"]: one["value"] for one in container["environment"]}
        environment |= {one["name"]: SECRETS[one["name"]] for one in container["secrets"]}
        asked = subprocess.run([program, "config", "--json"], env=environment, capture_output=True, text=True)
        assert asked.returncode == 0, f"{address}: the program refuses its environment: {asked.stderr}"
        # A name that is misspelt would be refused; one of another process would be ignored.
        for name in environment:
            assert name in asked.stdout or name == "AWS_SDK_UA_APP_ID", f"{address}: {name} sets nothing: {asked.stdout}"


def secrets_are_in_no_value(plan):
    for address, version in plan.values("aws_secretsmanager_secret_version").items():
        assert version.get("secret_string") is None and version["secret_string_wo_version"] >= 1, address
        assert not plan.unknown(address).get("secret_string"), f"{address} would keep its value in the state"
    database = plan.one("aws_db_instance")
    assert database.get("password") is None and database["password_wo_version"] >= 1
    assert not plan.one("aws_elasticache_replication_group").get("auth_token")


def stores_are_as_the_program_needs_them(plan):
    tables = {one["name"]: one for one in plan.values("aws_dynamodb_table").values()}
    events, leases = tables["sluice-events"], tables["sluice-leases"]
    assert (events["hash_key"], events["range_key"], leases["hash_key"], leases["range_key"]) == ("pk", "sk", "leaseKey", None)
    assert {one["type"] for table in tables.values() for one in table["attribute"]} == {"S"}
    assert events["ttl"][0]["attribute_name"] == "ttl" and events["ttl"][0]["enabled"]
    assert not any(ttl["enabled"] for ttl in leases.get("ttl") or [])
    stream = plan.one("aws_kinesis_stream")
    assert stream["retention_period"] >= 72
    queues = {one["name"]: one for one in plan.values("aws_sqs_queue").values()}
    assert queues["sluice-deliveries"]["visibility_timeout_seconds"] == 120
    assert all(queue["message_retention_seconds"] == 1209600 for queue in queues.values())
    cache = {one["name"]: one["value"] for one in plan.one("aws_elasticache_parameter_group")["parameter"]}
    assert cache == {"maxmemory-policy": "noeviction"}
    assert plan.one("aws_db_instance")["backup_retention_period"] >= 1


def alarms_tell_somebody_what_to_do(plan):
    sections = documents.runbook_sections()
    topic = plan.one("aws_sns_topic")["arn"]
    for address, alarm in plan.values("aws_cloudwatch_metric_alarm").items():
        section = alarm["alarm_description"].rpartition("docs/runbook.md#")[2]
        assert section in sections, f"{address}: docs/runbook.md has no section {section}"
        if ".alarms." in address:
            assert alarm["alarm_actions"] == [topic], address
    down = [alarm for address, alarm in plan.values("aws_cloudwatch_metric_alarm").items() if address.endswith('-down"]')]
    assert len(down) == 2 and all(alarm["treat_missing_data"] == "breaching" for alarm in down), "missing data counts as down"


def metrics_of_lines():
    """The metrics of each role's line, as the code lists them."""
    with open(os.path.join(rights.ROOT, "shared/telemetry/src/emf/table.rs")) as file:
        text = file.read()
    shared = dict(re.findall(r'const ([A-Z]+): EmfMetric = \w+\(\s*"(\w+)"', text))
    written = {}
    for role in ("ingest", "processor"):
        listed = re.search(rf"const {role.upper()}: &\[EmfMetric\] = &\[(.*?)^\];", text, re.S | re.M)[1]
        written[role] = set(re.findall(r'"([A-Z]\w+)"', listed)) | {name for const, name in shared.items() if re.search(rf"\b{const}\b", listed)}
    return written


def the_program_writes_the_metrics_of_alarms_and_dashboard(plan):
    written = metrics_of_lines()
    asked = set()
    for alarm in plan.values("aws_cloudwatch_metric_alarm").values():
        for metric in [alarm] + [query["metric"][0] for query in alarm["metric_query"] if query["metric"]]:
            if (metric.get("namespace") or "").startswith("Sluice/"):
                assert list(metric["dimensions"]) == ["Role"], metric
                asked.add((metric["dimensions"]["Role"], metric["metric_name"]))
    for widget in json.loads(plan.one("aws_cloudwatch_dashboard")["dashboard_body"])["widgets"]:
        for namespace, metric, *dimensions in widget["properties"].get("metrics", []):
            if namespace.startswith("Sluice/"):
                assert dimensions[0] == "Role" and len(dimensions) == 2, dimensions
                asked.add((dimensions[1], metric))
    assert len(asked) > 20, asked
    missing = sorted((role, metric) for role, metric in asked if metric not in written[role])
    assert not missing, f"the program writes no such metrics: {missing}"


def production_survives(plan):
    database, cache = plan.one("aws_db_instance"), plan.one("aws_elasticache_replication_group")
    assert database["multi_az"] and database["deletion_protection"] and database["backup_retention_period"] >= 7
    assert cache["automatic_failover_enabled"] and cache["multi_az_enabled"] and cache["num_cache_clusters"] >= 2
    for address, table in plan.values("aws_dynamodb_table").items():
        assert table["deletion_protection_enabled"] and table["point_in_time_recovery"][0]["enabled"], address
    zones = {subnet["availability_zone"] for subnet in plan.values("aws_subnet").values()}
    assert len(zones) == 3 and len(plan.values("aws_nat_gateway")) == 3
    assert all(balancer["enable_deletion_protection"] for balancer in plan.values("aws_lb").values())
    endpoints = {one["service_name"].split(".", 3)[3] for one in plan.values("aws_vpc_endpoint").values()}
    assert endpoints == {"dynamodb", "s3", "ecr.api", "ecr.dkr", "kinesis-streams", "logs", "secretsmanager", "sqs", "sts"}, endpoints
    scaling = {one["resource_id"]: one for one in plan.values("aws_appautoscaling_target").values()}
    shards = plan.one("aws_kinesis_stream")["shard_count"]
    assert scaling["service/sluice/processor"]["max_capacity"] <= shards
    assert all(one["min_capacity"] >= 3 for one in scaling.values())


def development_is_cheap(plan):
    assert len(plan.values("aws_nat_gateway")) == 1
    assert {one["vpc_endpoint_type"] for one in plan.values("aws_vpc_endpoint").values()} == {"Gateway"}
    assert len(plan.values("aws_lb")) == 1 and not plan.one("aws_db_instance")["multi_az"]


ASSERTIONS = [
    nothing_is_public_but_the_load_balancer, everything_is_encrypted, every_kind_was_thought_of, policies_name_what_they_allow,
    each_role_has_the_rights_of_its_list, tasks_are_hardened_and_configured, the_program_takes_its_environment, secrets_are_in_no_value,
    stores_are_as_the_program_needs_them, the_program_writes_the_metrics_of_alarms_and_dashboard, alarms_tell_somebody_what_to_do,
]
OF_ENVIRONMENT = {"development": [development_is_cheap], "production": [production_survives]}


def main(environment, path):
    plan = Plan(path)
    failed = []
    for assertion in ASSERTIONS + OF_ENVIRONMENT[environment]:
        try:
            assertion(plan)
        except (AssertionError, LookupError, TypeError) as error:
            place = error.__traceback__
            while place.tb_next:
                place = place.tb_next
            failed.append(f"{environment}: {assertion.__name__}, line {place.tb_lineno}: {error!r}")
    for line in failed:
        print(f"tests/terraform: {line}", file=sys.stderr)
    if failed:
        raise SystemExit(1)
    print(f"{environment}: {len(plan.resources)} resources, {len(ASSERTIONS + OF_ENVIRONMENT[environment])} assertions hold", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
