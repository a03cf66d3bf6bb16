package cpu

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// machine is a file system with what the kernel says of cgroups: lines of "path: text".
func machine(text string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		name, content, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if f := m[name]; f != nil {
			content = string(f.Data) + "\n" + content
		}
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

const (
	mounts2 = `
		proc/self/mountinfo: 22 1 8:1 / / rw - ext4 /dev/sda1 rw
		proc/self/mountinfo: 30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
	`
	mounts1 = `
		proc/self/mountinfo: 31 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
		proc/self/mountinfo: 32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
		proc/self/mountinfo: 33 22 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
	`
)

func TestQuotaIsTheLeastThatAnyOfTheCgroupsGrants(t *testing.T) {
	for name, test := range map[string]struct {
		files string
		want  float64
	}{
		"nothing known": {``, 0},
		"version 2, none": {mounts2 + `
			proc/self/cgroup: 0::/system.slice/weft.service
			sys/fs/cgroup/system.slice/weft.service/cpu.max: max 100000`, 0},
		"version 2, its own": {mounts2 + `
			proc/self/cgroup: 0::/system.slice/weft.service
			sys/fs/cgroup/system.slice/weft.service/cpu.max: 150000 100000`, 1.5},
		"version 2, of a cgroup above": {mounts2 + `
			proc/self/cgroup: 0::/a.slice/b
			sys/fs/cgroup/a.slice/b/cpu.max: 300000 100000
			sys/fs/cgroup/a.slice/cpu.max: 50000 100000`, 0.5},
		"version 2, in a container": {mounts2 + `
			proc/self/cgroup: 0::/
			sys/fs/cgroup/cpu.max: 200000 100000`, 2},
		"version 2, a part of the hierarchy is mounted": {`
			proc/self/mountinfo: 30 22 0:26 /pod/one /sys/fs/cgroup rw - cgroup2 cgroup2 rw
			proc/self/cgroup: 0::/pod/one/inner
			sys/fs/cgroup/inner/cpu.max: 75000 50000`, 1.5},
		"version 2, another part is mounted": {`
			proc/self/mountinfo: 30 22 0:26 /pod/one /sys/fs/cgroup rw - cgroup2 cgroup2 rw
			proc/self/cgroup: 0::/pod/oneself
			sys/fs/cgroup/cpu.max: 75000 50000`, 0},
		"version 1": {mounts1 + `
			proc/self/cgroup: 4:memory:/docker/1
			proc/self/cgroup: 3:cpu,cpuacct:/docker/1
			proc/self/cgroup: 0::/
			sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us: 25000
			sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us: 100000
			sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us: -1
			sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us: 100000`, 0.25},
		"version 1, none": {mounts1 + `
			proc/self/cgroup: 3:cpu,cpuacct:/
			sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us: -1
			sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us: 100000`, 0},
		"damaged": {mounts2 + `
			proc/self/cgroup: 0::/a
			proc/self/cgroup: nonsense
			sys/fs/cgroup/a/cpu.max: 1 0
			sys/fs/cgroup/cpu.max: x`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quota(machine(test.files)); got != test.want {
				t.Errorf("quota %v, want %v", got, test.want)
			}
		})
	}
}

func TestAShareCountsAndSaysWhatMayBeUsed(t *testing.T) {
	for _, test := range []struct {
		share Share
		whole int
		text  string
	}{
		{Share{CPUs: 1}, 1, "1 CPU"},
		{Share{CPUs: 2}, 2, "2 CPUs"},
		{Share{CPUs: 8, Quota: 1.5}, 2, "8 CPUs, of which a cgroup grants 1.5"},
		{Share{CPUs: 2, Quota: 0.25}, 1, "2 CPUs, of which a cgroup grants 0.25"},
	} {
		if got := test.share.Whole(); got != test.whole {
			t.Errorf("%+v: %d whole CPUs, want %d", test.share, got, test.whole)
		}
		if got := test.share.String(); got != test.text {
			t.Errorf("%+v: %q, want %q", test.share, got, test.text)
		}
	}
}

func TestOwnShareLiesWithinTheMachine(t *testing.T) {
	s := Own()
	if s.CPUs != runtime.NumCPU() || s.Quota < 0 || s.Quota >= float64(s.CPUs) || s.Whole() < 1 {
		t.Errorf("%+v on a machine with %d CPUs", s, runtime.NumCPU())
	}
}
