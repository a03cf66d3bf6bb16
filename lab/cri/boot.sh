# Becomes the first process of a machine. Arguments: its control group, its directory.
set -eu
group=$1 dir=$2

if [ -z "${WEFT_BOOT_INSIDE-}" ]; then
	WEFT_BOOT_INSIDE=yes exec unshare --mount --propagation private --ipc --pid --fork --kill-child \
		bash -c "$BASH_EXECUTION_STRING" boot "$@"
fi

# /proc is still the one outside, so this is the number that the process has there.
read -r pid _ </proc/self/stat

mount -t tmpfs -o mode=755 tmpfs "$dir/root"
mkdir "$dir/root/upper" "$dir/root/work" "$dir/root/merged"
mount -t overlay -o "lowerdir=/,upperdir=$dir/root/upper,workdir=$dir/root/work" overlay "$dir/root/merged"
cd "$dir/root/merged"

mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/lock "run/weft-lab"
mount --bind /run/weft-lab run/weft-lab

# What kubelets and containers keep must not lie on an overlay: it cannot be the upper part of another.
for path in var/lib/containerd var/lib/kubelet var/lib/etcd var/log tmp; do
	mkdir -p "$path"
	mount -t tmpfs -o mode=755 tmpfs "$path"
done
chmod 1777 tmp
rm -rf etc/cni opt/cni etc/kubernetes etc/weft var/lib/weft var/lib/cni

# A kubelet writes these settings of the kernel where they are not as it wants them (setupKernelTunables in
# pkg/kubelet/cm/container_manager_linux.go). They are the whole kernel's, so here they only look like that.
mkdir run/tunables
while read -r path value; do
	[ -e "proc/sys/$path" ] || continue
	echo "$value" >"run/tunables/${path//\//.}"
	mount --bind "run/tunables/${path//\//.}" "proc/sys/$path"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

pivot_root . mnt
cd /
umount -l /mnt
mount --make-rshared / # containers with volumes that propagate need it

echo "$pid" >"$dir/pid.new"
mv "$dir/pid.new" "$dir/pid"
# bash reaps whatever loses its parent.
while :; do
	sleep 3600 &
	wait $! || : # also when somebody kills all processes of the machine
done
