package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// makeInstall is 'make install' with further variables.
func makeInstall(t *testing.T, variables ...string) []string {
	return append([]string{"make", "--silent", "--directory", repository(t), "install", "WEFT=" + labtest.Weft(t), "CNI=" + pluginsDir(t)}, variables...)
}

// unit is the unit with the path of a weft that is there.
func unit(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed: run scripts/setup.sh")
	}
	text, err := os.ReadFile("systemd/weft.service")
	check(t, err)
	file := filepath.Join(t.TempDir(), "weft.service")
	check(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte("/usr/bin/weft"), []byte(labtest.Weft(t))), 0o644))
	return file
}

func TestTheUnitIsValidAndStrict(t *testing.T) {
	file := unit(t)
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	const threshold = "25" // tenths: 2.5 of 10
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+threshold, file).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// service is a host whose weft was installed by 'make install' and reaches the peer.
type service struct {
	*vm
	cluster *cluster.Cluster
	peer    *cluster.Node
}

func newService(t *testing.T) *service {
	t.Helper()
	l := newLab(t)
	c, n := peer(t, l)
	s := &service{vm: boot(t, l, "vm-2"), cluster: c, peer: n}
	s.run(makeInstall(t, "PREFIX=/usr")...)
	return s
}

// setUp makes the host a member; the service does not run yet.
func (s *service) setUp() {
	s.t.Helper()
	_, err := s.Shell(within(s.t, patience), "/", "weft join --token-file /dev/stdin", strings.NewReader(s.cluster.Token()))
	check(s.t, err)
}

// join sets the host up and starts the service.
func (s *service) join() {
	s.t.Helper()
	s.setUp()
	s.run("systemctl", "start", "weft")
	s.reached()
}

// reached waits until both know each other, and packets flow.
func (s *service) reached() {
	s.t.Helper()
	check(s.t, s.peer.AwaitReachable(within(s.t, patience), "vm-2"))
	at, err := s.peer.Addresses(within(s.t, patience))
	check(s.t, err)
	s.sh(fmt.Sprintf("for i in $(seq 100); do ping -c 1 -W 1 %s >/dev/null && exit; done; exit 1", at[0]))
}

func (s *service) status() (status api.Status) {
	s.t.Helper()
	check(s.t, json.Unmarshal([]byte(s.run("weft", "status", "--json")), &status))
	return status
}

// pid is the daemon's, in the machine.
func (s *service) pid() string { return s.show("MainPID") }

// field is a line of /proc/PID/status.
func (s *service) field(name string) string {
	return s.sh(fmt.Sprintf(`while read -r key value; do [ "$key" != %s: ] || echo $value; done </proc/%s/status`, name, s.pid()))
}

func TestTheServiceRunsInItsSandboxAsWellAsWithoutOne(t *testing.T) {
	s := newService(t)
	if got := s.show("UnitFileState"); got != "enabled" {
		t.Errorf("after the installation it is %s, want enabled", got)
	}
	s.run("systemctl", "start", "weft")
	if got := s.show("ActiveState"); got != "inactive" {
		t.Errorf("without a configuration it is %s, want inactive: nothing failed", got)
	}
	s.join()
	s.checkSandbox()

	free, err := s.peer.Status(within(t, patience))
	check(t, err)
	boxed := s.status()
	if got, want := fmt.Sprint(boxed.Node.Degraded), fmt.Sprint(free.Node.Degraded); got != want {
		t.Errorf("degraded in the sandbox: %s, outside: %s", got, want)
	}
	if got, want := boxed.Node.Device.Driver, free.Node.Device.Driver; got != want {
		t.Errorf("driver %s in the sandbox, %s outside", got, want)
	}
	if got, want := boxed.Node.Socket.ReceiveBuffer, free.Node.Socket.ReceiveBuffer; got != want {
		t.Errorf("receive buffer %d in the sandbox, %d outside", got, want)
	}
	s.keepsPods()
	s.await("StatusText", boxed.Node.Subnets[0].String()+"; 1 of 1 peer reached")
}

// keepsPods makes the bridge of pods, bare, and wants the daemon to bring it and the guard in order, and to have written the lease.
func (s *service) keepsPods() {
	s.t.Helper()
	s.sh("test -e /run/weft/cni.json && ip link add weftbr0 address 02:00:5e:00:00:01 type bridge")
	s.sh(`for i in $(seq 100); do
		ip -4 -o addr show dev weftbr0 | grep -q 'inet 10' && nft list table bridge weft >/dev/null 2>&1 && exit
		sleep 0.1
	done; ip addr show dev weftbr0; nft list tables; exit 1`)
	s.sh("ip link delete weftbr0")
}

// capNetAdmin is the set of CAP_NET_ADMIN alone, as /proc/PID/status has it (linux/capability.h: number 12).
const capNetAdmin = "0000000000001000"

// checkSandbox looks at what the running daemon may do.
func (s *service) checkSandbox() {
	s.t.Helper()
	for name, want := range map[string]string{
		"CapPrm": capNetAdmin, "CapEff": capNetAdmin, "CapBnd": capNetAdmin, "CapAmb": strings.Repeat("0", 16),
		"NoNewPrivs": "1", "Seccomp": "2",
	} {
		if got := s.field(name); got != want {
			s.t.Errorf("%s of the daemon is %s, want %s", name, got, want)
		}
	}
	box := "nsenter --mount --target " + s.pid() + " -- "
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding", "/var/lib/weft", "/run/weft"} {
		s.sh(box + "test -w " + path)
	}
	for _, path := range []string{"/proc/sys/kernel/pid_max", "/sys/kernel", "/sys/fs/cgroup", "/etc/weft", "/usr", "/var/lib", "/root", "/home"} {
		s.sh("! " + box + "test -w " + path)
	}
	group := "echo $$ >/sys/fs/cgroup/system.slice/weft.service/cgroup.procs\n"
	s.sh(group + ": </dev/net/tun")
	s.sh(": </dev/fuse; " + group + "! (: </dev/fuse) 2>/dev/null")
}

func TestTheServiceIsStartedAgainUnlessThatMendsNothing(t *testing.T) {
	s := newService(t)
	s.join()
	before := s.pid()
	s.run("systemctl", "restart", "weft")
	if s.pid() == before || s.show("NRestarts") != "0" {
		t.Errorf("after a restart: process %s, before %s", s.pid(), before)
	}
	s.reached()

	if kept := s.show("NFileDescriptorStore"); kept == "0" {
		t.Error("systemd keeps no descriptor of the daemon's")
	}

	s.ends("KILL", "1")
	s.ends("ABRT", "2") // as a crash ends, too
	s.run("systemctl", "kill", "--kill-whom=main", "--signal=TERM", "weft")
	s.await("NRestarts", "3")
	s.reached()

	s.sh("echo 'nonsense: 1' >>/etc/weft/weft.yaml")
	if out, err := s.Run(within(t, patience), "systemctl", "restart", "weft"); err == nil {
		t.Errorf("a restart with a broken configuration succeeded: %s", out)
	}
	if state, status := s.show("ActiveState"), s.show("ExecMainStatus"); state != "failed" || status != "2" {
		t.Errorf("with a broken configuration it is %s with status %s, want failed with 2", state, status)
	}
	s.sh("sed -i /nonsense/d /etc/weft/weft.yaml")
	s.run("systemctl", "start", "weft")
	s.reached()
}

// ends ends the daemon by a signal, and waits until it is back for the n-th time.
func (s *service) ends(signal, n string) {
	s.t.Helper()
	s.run("systemctl", "kill", "--kill-whom=main", "--signal="+signal, "weft")
	s.await("NRestarts", n)
	s.await("ActiveState", "active")
	s.reached()
}

func TestTheServiceTakesAnotherConfigurationWithoutARestart(t *testing.T) {
	s := newService(t)
	s.join()
	pid := s.pid()
	s.sh("echo 'log: {level: debug}' >>/etc/weft/weft.yaml")
	s.run("systemctl", "reload", "weft")
	s.await("ActiveState", "active")
	if s.pid() != pid {
		t.Error("a reload started another daemon")
	}
	if log := s.run("journalctl", "--unit=weft", "--no-pager"); !strings.Contains(log, "node.reloaded") {
		t.Errorf("the journal shows no reload:\n%s", log)
	}
	s.sh("echo 'nonsense: 1' >>/etc/weft/weft.yaml")
	if out, err := s.Run(within(t, patience), "systemctl", "reload", "weft"); err == nil {
		t.Errorf("a reload of a broken configuration succeeded: %s", out)
	}
	if state := s.show("ActiveState"); state != "active" || s.pid() != pid {
		t.Errorf("after a reload that was refused the service is %s", state)
	}
	s.reached()
}

func TestMakeUninstallTakesTheServiceOffTheHost(t *testing.T) {
	l := newLab(t)
	c, n := peer(t, l)
	s := &service{vm: boot(t, l, "vm-2"), cluster: c, peer: n}
	s.sh("rm -rf /etc/weft /var/lib/weft /etc/systemd/system/multi-user.target.wants") // as it is on a fresh host
	files, network := s.changed(), s.network()
	s.run(makeInstall(t)...)
	s.join()
	pid := s.pid()
	s.run(makeInstall(t)...)
	if now := s.pid(); now == pid || now == "0" {
		t.Errorf("after another 'make install' the daemon is process %s, as before", now)
	}
	s.reached()
	args := makeInstall(t)
	args[4] = "uninstall"
	s.run(args...)
	if state := s.show("LoadState"); state != "not-found" {
		t.Errorf("the unit is %s", state)
	}
	if got := s.network(); got != network {
		t.Errorf("the network after it:\n%s\nbefore the installation:\n%s", got, network)
	}
	s.sh("test -f /etc/weft/weft.yaml; test -f /var/lib/weft/node.key; rm -rf /etc/weft /var/lib/weft")
	for _, change := range s.changed() {
		if !slices.Contains(files, change) && !strings.HasPrefix(change, "d ") {
			t.Errorf("left behind: %s", change)
		}
	}
}

// catchAll makes systemd-networkd manage every interface that no other file speaks of.
const catchAll = "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\nAddress=198.51.100.7/32\n"

func TestNetworkdLeavesTheDeviceAloneWhateverElseItManages(t *testing.T) {
	s := newService(t)
	if _, err := s.Run(within(t, patience), "test", "-x", "/usr/lib/systemd/systemd-networkd"); err != nil {
		t.Skip("systemd-networkd is not installed")
	}
	s.join()
	before := s.sh("ip -brief address show dev weft0; ip route show dev weft0")
	_, err := s.Shell(within(t, patience), "/", "cat >/etc/systemd/network/zz-all.network", strings.NewReader(catchAll))
	check(t, err)
	s.sh("mkdir /run/systemd/system/systemd-networkd.service.d; " + // with /sys read-only it does not wait for udev
		"printf '[Service]\\nReadOnlyPaths=/sys\\n' >/run/systemd/system/systemd-networkd.service.d/sys.conf; systemctl daemon-reload")
	s.run("systemctl", "start", "systemd-networkd")
	state := func(device, want string) {
		t.Helper()
		s.sh(fmt.Sprintf("for i in $(seq 1000); do "+
			"grep -q ^ADMIN_STATE=%s /run/systemd/netif/links/$(cat /sys/class/net/%s/ifindex) && exit; sleep 0.05; done; exit 1", want, device))
	}
	state("eth0", "configured") // so it does manage what it finds
	state("weft0", "unmanaged")
	if after := s.sh("ip -brief address show dev weft0; ip route show dev weft0"); after != before {
		t.Errorf("weft0 was\n%s\nand is\n%s", before, after)
	}
	s.sh("rm /usr/lib/systemd/network/10-weft.network; systemctl restart systemd-networkd")
	state("weft0", "config") // configuring or configured: it is the file that keeps it away
}

func TestADaemonThatHangsIsStartedAgainByTheWatchdog(t *testing.T) {
	s := newService(t)
	s.impatient()
	s.join()
	pid := s.living()
	s.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "weft")
	s.restarted(pid)
	if log := s.run("journalctl", "--unit=weft", "--no-pager"); !strings.Contains(log, "Watchdog timeout") || !strings.Contains(log, "goroutine ") {
		t.Errorf("the journal does not show the watchdog and the stacks:\n%s", log)
	}
}

// living waits for three signs of life of one daemon, and returns its process. (The watchdog's time is set anew by each of them,
// and by the start of a daemon.)
func (s *service) living() (pid string) {
	s.t.Helper()
	for signs := 0; signs < 3; signs++ {
		last := s.show("WatchdogTimestampMonotonic")
		if now := s.pid(); now != pid {
			pid, signs = now, 0
		}
		s.sh(fmt.Sprintf(`while [ "$(systemctl show --value --property=WatchdogTimestampMonotonic weft)" = %s ]; do sleep 0.05; done`, last))
	}
	return pid
}

// restarted waits until another daemon than that one runs.
func (s *service) restarted(pid string) {
	s.t.Helper()
	s.sh(fmt.Sprintf(`while now=$(systemctl show --value --property=MainPID weft); [ "$now" = 0 ] || [ "$now" = %s ]; do sleep 0.05; done`, pid))
	s.await("ActiveState", "active")
	s.reached()
}

// impatient makes the watchdog wait for 2 s only.
func (s *service) impatient() {
	s.t.Helper()
	s.sh("mkdir -p /run/systemd/system/weft.service.d; " +
		"printf '[Service]\\nWatchdogSec=2s\\nTimeoutAbortSec=2s\\n' >/run/systemd/system/weft.service.d/watchdog.conf; systemctl daemon-reload")
}

func TestTheServiceIsReadyBeforeTheNetworkIsAndFollowsIt(t *testing.T) {
	s := newService(t)
	s.setUp()
	addresses := s.sh("ip -oneline address show dev eth0 scope global | while read -r _ _ _ address _; do echo $address; done")
	s.sh("ip address flush dev eth0; ip link set eth0 down")
	s.run("systemctl", "start", "weft")
	s.sh("ip link set eth0 up")
	for address := range strings.Lines(addresses) {
		s.sh("ip address add " + strings.TrimSpace(address) + " dev eth0")
	}
	s.reached()
	if got := s.show("NRestarts"); got != "0" {
		t.Errorf("%s restarts", got)
	}
}

func TestDownStopsTheServiceForGood(t *testing.T) {
	s := newService(t)
	s.join()
	s.run("weft", "down")
	if log := s.run("journalctl", "--unit=weft", "--no-pager"); strings.Contains(log, "node.handover.unremoved") {
		s.t.Errorf("the sandbox keeps weft from emptying systemd's store:\n%s", log)
	}
	s.await("ActiveState", "inactive")
	if got := s.show("Result"); got != "success" {
		t.Errorf("its result is %s, want success", got)
	}
	s.sh("! ip link show weft0 2>/dev/null")
	if out := s.run("ip", "route", "show", "type", "unreachable"); out != "" {
		t.Errorf("routes are left: %s", out)
	}
	if got := s.show("NRestarts"); got != "0" {
		t.Errorf("%s restarts", got)
	}
	s.run("systemctl", "start", "weft")
	s.reached()
}

func TestTheDaemonNeedsTheCapabilityThatItHas(t *testing.T) {
	l := newLab(t)
	_, n := peer(t, l)
	host, err := l.Host("vm-2")
	check(t, err)
	_, err = host.Run(within(t, patience), "setpriv", "--bounding-set=-net_admin", labtest.Weft(t), "up", "--config", n.Config(),
		"--state-dir", host.Dir()+"/state", "--run-dir", host.Dir()+"/run")
	if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("without it: %v", err)
	}
}
