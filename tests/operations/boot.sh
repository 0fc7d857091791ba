#!/usr/bin/env bash
# Boots systemd in a separate root directory with only the package installed, and writes how systemd
# runs fanfare.service to OUT/proof.log as KEY=VALUE lines. systemd.py runs this script as
#
#   unshare --mount --pid --fork --cgroup --kill-child boot.sh PACKAGE OUT PORT EXPORTER
#
# EXPORTER is the program node_exporter. It listens on PORT + 5.
# The kernel removes all mounts when the namespaces end.

set -euo pipefail
readonly package=$1 out=$2 port=$3 exporter=$4 place=$2/boot

mkdir -p "$place"
mount --make-rprivate /
mount -t tmpfs tmpfs "$place"
mkdir "$place"/{changes,work,root}
readonly root=$place/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/changes,workdir=$place/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do
    mount -t tmpfs tmpfs "$root/$folder"
done
for device in null zero full random urandom tty ptmx; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"

printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp "$package" "$root/package.deb"
chroot "$root" dpkg --install /package.deb
[[ ! -x $exporter ]] || cp "$exporter" "$root/exporter"

# Run only the service: no devices, no modules, and no other unit that this machine has enabled.
units=$root/etc/systemd/system
find "$units" -path '*.wants/*' ! -name fanfare.service -delete
for unit in systemd-{udevd,udev-trigger,modules-load,sysctl,random-seed,remount-fs,hwdb-update}.service \
    systemd-tmpfiles-setup-dev.service systemd-udevd-{control,kernel}.socket \
    dev-{hugepages,mqueue}.mount sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount; do
    ln -sf /dev/null "$units/$unit"
done
mkdir "$units/fanfare.service.d"
cat >"$units/fanfare.service.d/test.conf" <<EOF
[Service]
WatchdogSec=2s
Environment=FANFARE_WS_LISTEN=127.0.0.1:$port
Environment=FANFARE_ADMIN_LISTEN=off
Environment=FANFARE_INGEST_PULL=tcp://127.0.0.1:$((port + 2))
Environment=FANFARE_INGEST_SUB=tcp://127.0.0.1:$((port + 3))
Environment=FANFARE_INGEST_ROUTER=tcp://127.0.0.1:$((port + 4))
EOF
cat >"$units/proof.service" <<'EOF'
[Unit]
Wants=fanfare.service
After=fanfare.service
[Service]
Type=oneshot
ExecStart=/bin/bash /proof.sh
StandardOutput=truncate:/mnt/proof.log
StandardError=inherit
TimeoutStartSec=60
EOF
echo "readonly exporter_port=$((port + 5))" >"$root/proof.sh"
cat >>"$root/proof.sh" <<'EOF'
show() { systemctl show --property "$1" --value fanfare; }
trap 'journalctl --no-pager --unit fanfare --output cat >/mnt/journal.log' EXIT
echo "started=$(show ActiveState)"
bound=$(show MemoryMax)
total=$(sed -n 's/MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
[[ $bound == infinity ]] || echo "memory_percent=$(((bound * 1000 / 1024 / total + 5) / 10))"
systemctl reload fanfare || exit
echo "reloaded=yes"
sleep 4 # two watchdog periods
echo "restarts_while_well=$(show NRestarts)"
kill -STOP "$(show MainPID)"
for _ in {1..200}; do
    [[ $(show NRestarts) == 1 && $(show ActiveState) == active ]] && break
    sleep 0.1
done
echo "restarts=$(show NRestarts)"
echo "restarted=$(show ActiveState)"
journalctl --no-pager --unit fanfare --grep 'fanfare.service|canary|error' --output cat >/mnt/runbook.log
grep -q 'Watchdog timeout' /mnt/runbook.log && echo "reason=watchdog"
if [[ -x /exporter ]]; then
    /exporter --collector.disable-defaults --collector.systemd --collector.systemd.private \
        --collector.systemd.unit-include=fanfare.service --collector.systemd.enable-restarts-metrics \
        --web.listen-address="127.0.0.1:$exporter_port" 2>/mnt/exporter.log &
    for _ in {1..50}; do
        exec 3<>"/dev/tcp/127.0.0.1/$exporter_port" && break
        sleep 0.1
    done 2>/dev/null
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
    grep '^node_systemd_service_restart_total' <&3 | sed 's/.* /exported=/'
    kill %1
fi
systemctl stop fanfare
echo "stopped=$(show ActiveState)"
echo "status=$(show ExecMainStatus)"
echo done=yes
EOF
mount --bind "$out" "$root/mnt"
cd "$root"
mkdir old
pivot_root . old
umount --lazy /old
container=unshare exec /lib/systemd/systemd --system --unit=proof.service --log-target=journal
