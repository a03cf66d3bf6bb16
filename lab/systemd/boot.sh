# Becomes systemd in namespaces of its own. Arguments: the machine's name, its directory, the one that it shares, its
# control group, systemd's program.
set -eu
name=$1 dir=$2 shared=$3 group=$4 program=$5

if [ -z "${WEFT_BOOT_INSIDE-}" ]; then
	echo $$ >"$group/cgroup.procs"
	WEFT_BOOT_INSIDE=yes exec unshare --mount --propagation private --uts --ipc --pid --cgroup --fork --kill-child \
		bash -c "$BASH_EXECUTION_STRING" boot "$@"
fi

# /proc is still the one outside, so this is the number that systemd will have there.
read -r pid _ </proc/self/stat
echo "$pid" >"$dir/pid"

mount -t tmpfs -o mode=755 tmpfs "$dir/root"
mkdir "$dir/root/upper" "$dir/root/work" "$dir/root/merged"
mount -t overlay -o "lowerdir=/,upperdir=$dir/root/upper,workdir=$dir/root/work" overlay "$dir/root/merged"
cd "$dir/root/merged"

# Nothing starts by itself but the journal; nothing is mounted but what is below.
rm -f etc/systemd/system/*.wants/* etc/fstab
ln -sf /dev/null etc/systemd/system/systemd-remount-fs.service
echo "$name" >etc/hostname
for unit in usr/lib/systemd/system/*.wants/*; do
	case $unit in
	*journald.s* | *journald-dev-log.socket) ;;
	*) rm -f "$unit" ;;
	esac
done
: >etc/fstab

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/upper run/shared
mount --bind "$dir/root/upper" run/upper
mount --bind "$shared" run/shared
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
ln -s null dev/console
while read -r device major minor; do
	mknod -m 666 "dev/$device" c "$major" "$minor"
done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
fuse 10 229
END

hostname "$name"
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
	"$program" --unit=basic.target --log-target=journal --show-status=no
