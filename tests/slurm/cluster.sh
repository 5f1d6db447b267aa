#!/bin/sh
# A Slurm of two machines, one and two, on this one: for tests. As root, with Debian's slurm-wlm and munge.
#   cluster.sh start    cluster.sh stop
# Each machine has two processors and one GPU that is none (the device of /dev/null), which four jobs may share as shards.
# There is no accounting. Jobs may take four hours, and half an hour in the partition "short".
set -eu
run=/run/knowledge-capacity-slurm
ours="# written by tests/slurm/cluster.sh"

stop() {
    for name in slurmctld slurmd-one slurmd-two munged; do
        if [ -f "$run/$name.pid" ]; then
            pid=$(cat "$run/$name.pid")
            kill "$pid" 2> /dev/null || true
            for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2> /dev/null && sleep 0.5; done
        fi
    done
    rm -rf "$run" /etc/slurm/slurm.conf /etc/slurm/gres.conf
}

case "${1-}" in
    start | stop) ;;
    *) echo "cluster.sh: give start or stop. Both end the cluster that runs, with its jobs." >&2 && exit 2 ;;
esac
if [ -e /etc/slurm/slurm.conf ] && ! grep -qxF "$ours" /etc/slurm/slurm.conf; then
    echo "cluster.sh: /etc/slurm/slurm.conf is that of another cluster, which stays as it is." >&2
    exit 1
fi
stop
[ "$1" = stop ] && exit 0

mkdir -p "$run/state" "$run/spool-one" "$run/spool-two" "$run/munge" /etc/slurm
for number in 0 1; do mknod "$run/gpu$number" c 1 3; done
host=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 2048 * 0.9)}' /proc/meminfo)
# shellcheck disable=SC2154  (%n is Slurm's)
cat > /etc/slurm/slurm.conf << CONF
$ours
ClusterName=toy
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$run/munge/socket
StateSaveLocation=$run/state
SlurmdSpoolDir=$run/spool-%n
SlurmctldPidFile=$run/slurmctld.pid
SlurmdPidFile=$run/slurmd-%n.pid
SlurmctldLogFile=$run/slurmctld.log
SlurmdLogFile=$run/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=86400
KillWait=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu,shard
NodeName=one NodeAddr=127.0.0.1 NodeHostname=$host Port=17001 CPUs=2 RealMemory=$memory Gres=gpu:1,shard:4
NodeName=two NodeAddr=127.0.0.1 NodeHostname=$host Port=17002 CPUs=2 RealMemory=$memory Gres=gpu:1,shard:4
PartitionName=main Nodes=one,two Default=YES MaxTime=4:00:00 State=UP
PartitionName=short Nodes=one,two MaxTime=30 State=UP
CONF
cat > /etc/slurm/gres.conf << CONF
NodeName=one Name=gpu File=$run/gpu0
NodeName=one Name=shard Count=4
NodeName=two Name=gpu File=$run/gpu1
NodeName=two Name=shard Count=4
CONF
[ -s /etc/munge/munge.key ] || mungekey --create
chown -R munge:munge "$run/munge" /etc/munge/munge.key
runuser -u munge -- munged --socket="$run/munge/socket" --pid-file="$run/munge/munged.pid" \
    --log-file="$run/munge/munged.log" --seed-file="$run/munge/munged.seed"
ln -s munge/munged.pid "$run/munged.pid"
slurmctld
slurmd -N one
slurmd -N two
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(sinfo --noheader --partition=main --Node --states=idle --format=%t 2> /dev/null | wc -l)" = 2 ] && exit 0
    sleep 0.5
done
echo "cluster.sh: Slurm did not start; see $run/*.log" >&2
exit 1
