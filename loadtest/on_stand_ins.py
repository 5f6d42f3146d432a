"""The roles on stand-ins, a receiver and a load: what the measurements beside this file share."""
import contextlib, json, os, signal, subprocess, sys, tempfile, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from free_port import free_port
TARGET = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
SLUICE = os.environ.get("SLUICE_TEST_BIN", os.path.join(TARGET, "sluice"))
LOADTEST = os.environ.get("SLUICE_TEST_LOADTEST_BIN", os.path.join(TARGET, "sluice-loadtest"))
TOKEN = "speed-speed-speed"
TICK = os.sysconf("SC_CLK_TCK")


def inside_stand_ins(**choice):
    """Runs the program again inside tests/stand-ins, where it is not there yet."""
    if "SLUICE_AWS__KINESIS_ENDPOINT" not in os.environ:
        stand_ins = os.path.join(ROOT, "tests", "stand-ins")
        command = [stand_ins, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
        os.execve(stand_ins, command, dict(os.environ, SLUICE_TEST_KINESIS="ferrokinesis", SLUICE_TEST_FERROKINESIS_FLAGS="", **choice))


def start(command, env=None):
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    for line in child.stdout:
        if line.startswith("ready"):
            child.url = line.split()[-1]
            return child
    raise SystemExit(f"{command[:2]} did not start")


def call(method, url, body=None, key=TOKEN):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=20) as answer:
        return json.loads(answer.read() or b"{}")


def cpu_s(pid):
    """Of a process and its children, in seconds."""
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(map(cpu_s, children))


@contextlib.contextmanager
def ended(*children):
    """Ends them, in that order."""
    try:
        yield children
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


@contextlib.contextmanager
def roles(shards, env):
    """Provisions, and runs an ingest process and a processor: the two, and the admin's URL."""
    env = dict(os.environ, SLUICE_ADMIN_TOKEN=TOKEN, **env)
    made = subprocess.run([SLUICE, "provision", "--shards", str(shards)], env=env, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"nothing was provisioned:\n{made.stderr}")
    public, admin = free_port(), free_port()
    ingest = start([SLUICE, "ingest", "--listen", f"127.0.0.1:{public}", "--admin-listen", f"127.0.0.1:{admin}", "--allow-private-webhooks"], env)
    worker = start([SLUICE, "processor", "--listen", f"127.0.0.1:{free_port()}", "--allow-private-webhooks"], env)
    with ended(ingest, worker):
        time.sleep(3)
        yield ingest, worker, f"http://127.0.0.1:{admin}"


@contextlib.contextmanager
def customers(count, ingest, admin, hooks, batch=None):
    """Makes customers with a subscription to each hook; a file of their keys."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
        for n in range(count):
            customer = call("POST", f"{admin}/admin/customers", {"name": f"Customer {n}", "rate_limit_per_second": 10_000_000})["customer_id"]
            key = call("POST", f"{admin}/admin/customers/{customer}/keys", {})["api_key"]
            time.sleep(1 if n == 0 else 0)
            for hook in hooks:
                subscription = {"event_selector": {"type": "event_type", "value": "*"}, "webhook_url": hook, **({"batch": batch} if batch else {})}
                call("POST", f"{ingest}/v1/subscriptions", subscription, key)
            file.write(key + "\n")
        file.flush()
        time.sleep(2)
        yield file.name


def send(ingest, keys_file, rate, seconds, event_bytes, batch, *more):
    """Sends at a rate; the sender's report."""
    command = [LOADTEST, "run", "--url", ingest, "--keys-file", keys_file, "--batch", str(batch), "--rate", str(rate), "--duration", f"{seconds}s",
               "--warmup", "0s", "--event-bytes", str(event_bytes), "--json", "--progress", "none", *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])


def received(receiver, wanted, within=60):
    """Waits until the receiver has so many events; its figures."""
    deadline = time.time() + within
    while (stats := call("GET", f"{receiver.url}/stats"))["events"] < wanted and time.time() < deadline:
        time.sleep(0.1)
    return stats
