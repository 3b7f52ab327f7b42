import pytest

from causal_jax.training import cluster
from causal_jax.training.cluster import Cluster, find_cluster

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}


@pytest.fixture
def libtpu(monkeypatch):
    """libtpu(installed, chips): what a host has."""

    def have(installed, chips=()):
        found = object() if installed else None
        monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: found)
        monkeypatch.setattr(cluster, "_TPU_CHIPS", chips)

    have(False)
    return have


def test_one_host_is_alone(libtpu):
    assert find_cluster(None, None, None, {}) is None
    assert find_cluster(None, None, None, {"SLURM_JOB_ID": "7"}) is None
    assert find_cluster("a:1", 1, 0, {}) is None


def test_flags_go_before_the_environment(libtpu):
    environment = {
        "JAX_COORDINATOR_ADDRESS": "there:1",
        "JAX_NUM_PROCESSES": "3",
        "JAX_PROCESS_ID": "2",
    }
    assert find_cluster(None, None, None, environment) == Cluster("there:1", 3, 2)
    assert find_cluster("here:2", None, 0, environment) == Cluster("here:2", 3, 0)


def test_one_process_is_alone_whatever_the_environment_says(libtpu):
    assert find_cluster(None, 1, None, SLURM) is None


def test_tasks_of_slurm_are_found_and_told_apart_by_jax(libtpu):
    assert find_cluster(None, None, None, SLURM) == Cluster()
    assert find_cluster("a:1", None, None, SLURM) == Cluster(coordinator="a:1")
    script = {k: v for k, v in SLURM.items() if k != "SLURM_STEP_NODELIST"}
    assert find_cluster(None, None, None, script) is None, "a batch script is no task"
    assert find_cluster(None, None, None, {**SLURM, "SLURM_NTASKS": "1"}) is None


def test_a_task_that_is_alone_on_its_host_has_all_gpus(libtpu):
    environment = {**SLURM, "SLURM_STEP_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "8"}
    found = find_cluster(None, None, None, environment)
    assert found.device_ids == tuple(range(8))
    environment["SLURM_STEP_NUM_NODES"] = "1"  # two tasks on one host: a GPU each
    assert find_cluster(None, None, None, environment).device_ids is None


def test_a_tpu_slice_is_found(libtpu, tmp_path):
    hosts = {"TPU_WORKER_HOSTNAMES": "a,b"}
    assert find_cluster(None, None, None, hosts) is None, "no libtpu"
    libtpu(True)
    assert find_cluster(None, None, None, hosts) == Cluster()
    assert find_cluster(None, None, None, {"TPU_WORKER_HOSTNAMES": "a"}) is None
    assert find_cluster(None, None, None, {**hosts, "JAX_PLATFORMS": "cpu"}) is None
    (tmp_path / "accel0").touch()
    libtpu(True, [f"{tmp_path}/accel*"])
    assert find_cluster(None, None, None, {}) == Cluster()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("a:1", 2, None), "--process_id missing"),
        ((None, 2, None), "--coordinator and --process_id missing"),
        ((None, None, 0), "--coordinator and --num_processes missing"),
        (("a:1", 2, 2), "--process_id=2 of --num_processes=2: .* from 0"),
        (("a:1", 2, -1), "from 0, each once"),
        (("a:1", 0, 0), "--num_processes=0"),
        (("host", 2, 0), "--coordinator=host: HOST:PORT is needed"),
        ((":12", 2, 0), "HOST:PORT is needed"),
    ],
)
def test_what_is_wrong_is_one_line(libtpu, given, said):
    with pytest.raises(ValueError, match=said) as raised:
        find_cluster(*given, {})
    assert "\n" not in str(raised.value)


def test_a_number_in_the_environment_that_is_none_is_named(libtpu):
    with pytest.raises(ValueError, match="JAX_PROCESS_ID is a number, not 'one'"):
        find_cluster(None, None, None, {"JAX_PROCESS_ID": "one"})
