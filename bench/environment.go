package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/node/version"
)

// sysctls are the settings that move figures, below /proc/sys. Those of TCP belong to each network namespace: they are read
// in a new one, as the hosts of the lab are, since a new one takes over some of the machine's and has defaults for others
// (tcp_sk_init in net/ipv4/tcp_ipv4.c). What the lab sets itself in its namespaces, such as ip_forward, is not among them.
var sysctls = []string{
	"kernel.sched_autogroup_enabled", "net.core.busy_poll", "net.core.busy_read", "net.core.default_qdisc",
	"net.core.dev_weight", "net.core.netdev_budget", "net.core.netdev_budget_usecs", "net.core.netdev_max_backlog",
	"net.core.optmem_max", "net.core.rmem_default", "net.core.rmem_max", "net.core.rps_sock_flow_entries",
	"net.core.somaxconn", "net.core.wmem_default", "net.core.wmem_max",
	"net.ipv4.tcp_autocorking", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_ecn", "net.ipv4.tcp_limit_output_bytes", "net.ipv4.tcp_mem", "net.ipv4.tcp_mtu_probing",
	"net.ipv4.tcp_no_metrics_save", "net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_sack", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_rmem", "net.ipv4.tcp_timestamps", "net.ipv4.tcp_wmem", "net.ipv4.udp_mem",
}

// cpuFlags are those that decide which ciphers, checksums and copies are fast, on x86 and ARM.
var cpuFlags = []string{
	"adx", "aes", "asimd", "avx", "avx2", "avx512f", "bmi2", "crc32", "erms", "fsrm", "gfni", "neon", "pclmulqdq", "pmull",
	"rdtscp", "sha2", "sha_ni", "ssse3", "sse4_2", "sve", "vaes", "vpclmulqdq",
}

// modules are those whose code is measured.
var modules = []string{
	"github.com/flynn/noise", "github.com/songgao/water", "golang.org/x/crypto", "golang.zx2c4.com/wireguard",
}

// environment reads what is known of this machine and this program. What cannot be read is left out.
func environment(ctx context.Context, binary string) report.Environment {
	weft := version.Get()
	env := files("/").machine()
	env.Weft, env.Go = weft.Version, weft.Go
	env.Commit, env.Binary = commit(weft.Version), checksum(binary)
	env.Arch = runtime.GOARCH
	env.Versions = versions(ctx)
	inNewNamespace(func() { maps.Copy(env.Sysctls, files("/").sysctls()) }) // which does not show those of the machine
	return env
}

// inNewNamespace calls do in a network namespace of its own; without the right to make one, in that of this process.
func inNewNamespace(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with this goroutine, and the namespace with it
		_ = unix.Unshare(unix.CLONE_NEWNET)
		do()
	}()
	<-done
}

// files is the root of a machine's files. It is a path and no fs.FS, since the kernel gives the rest of a number in /proc/sys
// to nobody who reads its first byte alone, as fs.ReadFile does with files that claim to be empty.
type files string

// line is the content of a small file without spaces around it, or empty.
func (f files) line(path string) string {
	text, err := os.ReadFile(filepath.Join(string(f), path))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(text))
}

// machine is what the files of the machine say.
func (f files) machine() report.Environment {
	cpu := fields(f.line("proc/cpuinfo"))
	flags := strings.Fields(first(cpu, "flags", "Features"))
	env := report.Environment{
		Kernel:      f.line("proc/sys/kernel/osrelease"),
		OS:          strings.Trim(assignment(f.line("etc/os-release"), "PRETTY_NAME"), `"`),
		CPU:         first(cpu, "model name", "Model", "Hardware", "CPU part"),
		Cores:       runtime.NumCPU(),
		CPUFlags:    chosenFlags(flags),
		Memory:      kilobytes(first(fields(f.line("proc/meminfo")), "MemTotal")),
		Boot:        f.line("proc/sys/kernel/random/boot_id"),
		Governor:    f.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Mitigations: f.directory("sys/devices/system/cpu/vulnerabilities"),
		Sysctls:     f.sysctls(),
	}
	if slices.Contains(flags, "hypervisor") {
		env.Virtual = f.hypervisor()
	}
	return env
}

func chosenFlags(flags []string) []string {
	chosen := []string{}
	for _, flag := range cpuFlags {
		if slices.Contains(flags, flag) {
			chosen = append(chosen, flag)
		}
	}
	return chosen
}

// hypervisor names the machine that the firmware claims to be.
func (f files) hypervisor() string {
	words := []string{f.line("sys/hypervisor/type"), f.line("sys/class/dmi/id/sys_vendor"), f.line("sys/class/dmi/id/product_name")}
	name := strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
	if name == "" {
		return "unnamed hypervisor"
	}
	return name
}

// directory are the files of a directory with their contents.
func (f files) directory(path string) map[string]string {
	entries, err := os.ReadDir(filepath.Join(string(f), path))
	if err != nil {
		return nil
	}
	all := map[string]string{}
	for _, e := range entries {
		all[e.Name()] = f.line(path + "/" + e.Name())
	}
	return all
}

func (f files) sysctls() map[string]string {
	all := map[string]string{}
	for _, name := range sysctls {
		if value := f.line("proc/sys/" + strings.ReplaceAll(name, ".", "/")); value != "" {
			all[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return all
}

// fields are the lines "name : value" of a file of /proc, the first of each name.
func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if _, known := all[name]; !known {
			all[name] = strings.TrimSpace(value)
		}
	}
	return all
}

func first(fields map[string]string, names ...string) string {
	for _, name := range names {
		if fields[name] != "" {
			return fields[name]
		}
	}
	return ""
}

// assignment is the value of a line NAME=value.
func assignment(text, name string) string {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+"="); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// kilobytes reads "16384 kB" and returns bytes.
func kilobytes(text string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSuffix(text, " kB"), 10, 54)
	if err != nil {
		return 0
	}
	return n * 1024
}

// checksum is the SHA-256 of a file in hexadecimal; empty when it cannot be read.
func checksum(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// described is a version that 'git describe --always --dirty' made: a tag, then the commit; or the commit alone.
var described = regexp.MustCompile(`(?:-g|^)([0-9a-f]{7,40}(?:-dirty)?)$`)

// commit is that of the version; else what the Go toolchain stamped; else empty. A tag alone names its commit itself.
func commit(version string) string {
	if m := described.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

// versions are those of the programs and modules that are measured, or measure.
func versions(ctx context.Context) map[string]string {
	all := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains(modules, m.Path) {
				all[m.Path] = m.Version
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "iperf3", "--version").Output()
	if line, _, _ := strings.Cut(string(out), "\n"); err == nil && line != "" {
		all["iperf3"] = strings.TrimPrefix(line, "iperf ")
	}
	return all
}
