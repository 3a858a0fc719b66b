"""A real SLURM cluster of four nodes on this machine's loopback, from Debian's packages, without systemd.

Nodes claim more than the machine has, GPUs are device files that are /dev/null by another name. Partitions: main; short
(time limit 1 minute); low, whose jobs are requeued when high needs their place. Waits are as short as SLURM allows.
"""

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server-core",
}
NODES, CPUS, MEMORY_MB, GPUS = 4, 4, 8000, 2
PORT = 24000  # not 10002 to 19999, where Ray picks its own

SLURM_CONF = """\
ClusterName=sandbox
SlurmctldHost={host}({address})
SlurmctldPort={port}
SrunPortRange={srun_first}-{srun_last}
SlurmUser=root
AuthType=auth/munge
# cred_expire: also how long a requeued job waits, 120 s by default
AuthInfo=socket={root}/munge.socket,cred_expire=5
{listen}
StateSaveLocation={root}/controller
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
PropagateResourceLimits=CORE
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# a job that is preempted gets the signal that it asked for
SlurmctldParameters=preempt_send_user_signal
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,batch_sched_delay=0,sched_interval=2,sched_min_interval=100000
KillWait=5
CompleteWait=0
SlurmdTimeout=15
SlurmctldTimeout=10
ReturnToService=2
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={address}
AccountingStoragePort={dbd_port}
AccountingStoragePass={root}/munge.socket
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefaultTime=10 PriorityTier=10 PreemptMode=OFF
PartitionName=short Nodes=ALL MaxTime=1 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=60 DefaultTime=10 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL MaxTime=60 DefaultTime=10 PriorityTier=100 PreemptMode=OFF
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
DbdHost={host}
DbdAddr={address}
DbdPort={dbd_port}
{listen}
SlurmUser=root
PidFile={root}/slurmdbd.pid
LogFile={root}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""
ONLY_OUR_ADDRESS = "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny"
BOOTSTRAP = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\nset @skip_auth_anonymous=1;\n"
SMALL_DATABASE = ("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0")


def missing() -> str:
    """Why SLURM cannot run here and cannot be installed either; empty when it can."""
    if os.getuid() != 0:
        return "the SLURM sandbox needs root"
    lacking = [package for program, package in PACKAGES.items() if not _program(program)]
    if lacking and not shutil.which("apt-get"):
        return f"the SLURM sandbox needs {', '.join(lacking)}, and there is no apt-get"
    return ""


def install() -> str:
    """Install what is missing; the last line of apt-get when it could not, empty when all is there."""
    lacking = [package for program, package in PACKAGES.items() if not _program(program)]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ("update", *([f"install -y --no-install-recommends {' '.join(lacking)}"])):
        if not lacking:
            break
        done = subprocess.run(["apt-get", "-qq", *command.split()], env=quiet, capture_output=True, text=True)
        if done.returncode:
            return f"apt-get {command}: {done.stderr.strip().splitlines()[-1:]}"
    return ""


class Sandbox:
    """The cluster below the folder `root`; `environment` is what its commands need."""

    def __init__(self, root: Path, port: int = PORT) -> None:
        self.root, self.port = root, port
        self.nodes = [f"node{number}" for number in range(1, NODES + 1)]
        self.environment = {"SLURM_CONF": str(root / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything and wait until all nodes are idle; all or nothing."""
        try:
            self._start()
        except BaseException:
            for name in [*self.daemons]:
                self._end(name)
            raise

    def _start(self) -> None:
        self._configure()
        self._daemon("munged", "--foreground", f"--key-file={self.root}/munge.key", *self._munge_files())
        self._until(lambda: self._run("munge", "-n", "-S", f"{self.root}/munge.socket"), "munged")
        self._start_accounting()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self._until(lambda: self._states() == {"idle"}, "all nodes")

    def stop(self) -> None:
        """Cancel all jobs, end all daemons."""
        if "slurmctld" in self.daemons:
            self.cancel_all()
        for name in reversed([*self.daemons]):
            self._end(name)

    def cancel_all(self) -> None:
        """Cancel all jobs and wait until they are gone."""
        self._until(self._no_jobs, "the end of all jobs")

    def start_controller(self) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self._until(lambda: "is UP" in self.output("scontrol", "ping"), "slurmctld")

    def stop_controller(self) -> None:
        """End slurmctld; jobs go on."""
        self._end("slurmctld")

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._daemon(f"slurmd {node}", "-D", "-N", node, "-f", self.environment["SLURM_CONF"])

    def lose_node(self, node: str) -> None:
        """The node is gone: its slurmd is killed, and so is every process of its jobs."""
        jobs = self.output("squeue", "-h", "-w", node, "-t", "R", "-o", "%A").split()
        self._end(f"slurmd {node}", kill=True)
        for pid in (pid for job in jobs for pid in self.processes(job)):
            os.kill(pid, 9)

    def processes(self, job: str) -> list[int]:
        """Every process of a job on this machine, by its environment or its command line."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if pid != os.getpid() and self._belongs(pid, job)]

    def _belongs(self, pid: int, job: str) -> bool:
        """slurmstepd names its job in its command line, all others in their environment; sandboxes differ in root."""
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        ours = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode() in environment
        step = command.startswith(f"slurmstepd: [{job}.".encode())
        return step or (ours and f"SLURM_JOB_ID={job}".encode() in environment)

    def output(self, *command: str) -> str:
        """Standard output of a SLURM command."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True)
        return done.stdout

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 180) -> None:
        """Poll until `condition()` is true."""
        self._until(condition, what, seconds)

    def _configure(self) -> None:
        host, address, listen = _address()
        places = {"host": host, "address": address, "listen": listen, "root": self.root, "port": self.port}
        places |= {"srun_first": self.port + 100, "srun_last": self.port + 199, "dbd_port": self.port + 1}
        size = f"CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{GPUS} State=UNKNOWN"
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr={address} Port={self.port + 10 + number} {size}"
            for number, node in enumerate(self.nodes)
        ]
        (self.root / "controller").mkdir(parents=True)
        self._write("slurm.conf", SLURM_CONF.format(**places, nodes="\n".join(nodes)))
        self._write("slurmdbd.conf", SLURMDBD_CONF.format(**places), 0o600)
        self._write("gres.conf", f"AutoDetect=off\nName=gpu File={self.root}/gpu[0-{GPUS - 1}]\n")
        # named, though unused: where /sys/fs/cgroup is not mounted, slurmd does not start without it
        self._write("cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        (self.root / "munge.key").write_bytes(os.urandom(128))
        (self.root / "munge.key").chmod(0o400)
        for number in range(GPUS):
            os.mknod(self.root / f"gpu{number}", 0o666 | stat.S_IFCHR, os.stat("/dev/null").st_rdev)  # noqa: PTH116

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.root / name
        path.touch(mode=mode)
        path.write_text(text)

    def _munge_files(self) -> list[str]:
        return [
            f"--{kind}={self.root}/munge.{kind.split('-')[0]}"
            for kind in ("socket", "pid-file", "log-file", "seed-file")
        ]

    def _start_accounting(self) -> None:
        """MariaDB behind a socket that only we reach, and slurmdbd."""
        data = self.root / "database"
        data.mkdir(mode=0o700)
        tables = [Path("/usr/share/mysql", f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data")]
        common = ["--no-defaults", "--user=root", f"--datadir={data}", f"--tmpdir={data}"]
        common += ["--skip-networking", *SMALL_DATABASE]
        made = subprocess.run(
            [_program("mariadbd"), *common, "--bootstrap"],
            input=BOOTSTRAP + "".join(tables),
            text=True,
            capture_output=True,
        )
        assert made.returncode == 0, made.stderr
        self._daemon("mariadbd", *common, f"--socket={data}/socket", "--skip-grant-tables")
        self._until((data / "socket").exists, "mariadbd")
        database = {"SLURM_CONF": str(self.root / "slurmdbd.conf"), "MYSQL_UNIX_PORT": f"{data}/socket"}
        self._daemon("slurmdbd", "-D", environment=database)
        self._until(lambda: self._run("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
        assert self._run("sacctmgr", "-i", "-Q", "add", "cluster", "sandbox")

    def _daemon(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Run a daemon in the foreground; it ends with the tests, however those end."""
        log = (self.root / f"{name.replace(' ', '.')}.out").open("ab")
        self.daemons[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", _program(name.split()[0]), *arguments],
            env=os.environ | (environment or self.environment),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        log.close()

    def _end(self, name: str, kill: bool = False) -> None:
        daemon = self.daemons.pop(name)
        daemon.kill() if kill else daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _run(self, *command: str) -> bool:
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, stdin=subprocess.DEVNULL)
        return done.returncode == 0

    def _states(self) -> set[str]:
        return {*self.output("sinfo", "-h", "-N", "-o", "%T").split()}

    def _no_jobs(self) -> bool:
        """A job may requeue itself when it is cancelled, so this is asked again and again."""
        jobs = self.output("squeue", "-h", "-o", "%A").split()
        self.output("scancel", "--quiet", *jobs) if jobs else None
        return not jobs

    def _until(self, condition: Callable[[], object], what: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s for {what}; see {self.root}/*.log, *.out"
            time.sleep(0.1)


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or ""


def _address() -> tuple[str, str, str]:
    """Host name, address, and what keeps the daemons on it: not where the name is 127.0.1.1, or srun fails."""
    host = socket.gethostname().partition(".")[0]
    try:
        address = socket.gethostbyname(host)
    except OSError:
        address = ""
    if address == "127.0.0.1" or (address and not address.startswith("127.")):
        return host, address, ONLY_OUR_ADDRESS
    return host, "127.0.0.1", ""
