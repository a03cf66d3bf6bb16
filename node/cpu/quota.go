package cpu

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// quota is the least that any of the process's cgroups grants, its own or one above; 0: none has a limit.
//
// The runtime's default of GOMAXPROCS does not tell: it is never below 2, and rounds up.
func quota(root fs.FS) (least float64) {
	for _, dir := range cgroups(root) {
		if q := limit(root, dir); q > 0 && (least == 0 || q < least) {
			least = q
		}
	}
	return least
}

// cgroups lists the directories of the cgroups that may limit the process's CPU time, as far up as they are mounted.
func cgroups(root fs.FS) (dirs []string) {
	own := memberships(lines(root, "proc/self/cgroup"))
	for _, line := range lines(root, "proc/self/mountinfo") {
		m, ok := parseMount(line)
		group, member := own[m.controller]
		if !ok || !member || !within(group, m.root) {
			continue
		}
		top := strings.TrimPrefix(path.Clean(m.point), "/")
		for dir := path.Join(top, strings.TrimPrefix(group, m.root)); len(dir) >= len(top); dir = path.Dir(dir) {
			dirs = append(dirs, dir)
			if dir == "." {
				break
			}
		}
	}
	return dirs
}

// memberships are the process's cgroups by controller: "cpu" of version 1, "" of version 2 (cgroups(7), /proc/[pid]/cgroup).
func memberships(lines []string) map[string]string {
	own := map[string]string{}
	for _, line := range lines {
		number, rest, _ := strings.Cut(line, ":")
		controllers, group, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case number == "0":
			own[""] = group
		case slices.Contains(strings.Split(controllers, ","), "cpu"):
			own["cpu"] = group
		}
	}
	return own
}

// mount is where a hierarchy of cgroups is seen.
type mount struct {
	controller string // as in memberships
	root       string // the cgroup that is seen at point
	point      string
}

// parseMount reads a line of /proc/self/mountinfo (proc_pid_mountinfo(5)). false: not of cgroups that have to do with CPU time.
func parseMount(line string) (mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	place, kind := strings.Fields(before), strings.Fields(after)
	if !ok || len(place) < 5 || len(kind) < 3 {
		return mount{}, false
	}
	m := mount{root: place[3], point: place[4]}
	switch kind[0] {
	case "cgroup2":
		return m, true
	case "cgroup":
		m.controller = "cpu"
		return m, slices.Contains(strings.Split(kind[2], ","), "cpu")
	}
	return mount{}, false
}

// within reports whether the cgroup is root or below it.
func within(group, root string) bool {
	return root == "/" || group == root || strings.HasPrefix(group, root+"/")
}

// limit is what one cgroup grants; 0: it has no limit. Version 2 says "QUOTA PERIOD" or "max PERIOD" in one file, version 1
// has a file for each, and a quota of -1 for none.
func limit(root fs.FS, dir string) float64 {
	words := strings.Fields(text(root, path.Join(dir, "cpu.max")))
	if len(words) == 0 {
		words = strings.Fields(text(root, path.Join(dir, "cpu.cfs_quota_us")) + " " + text(root, path.Join(dir, "cpu.cfs_period_us")))
	}
	if len(words) != 2 {
		return 0
	}
	quota, err := strconv.ParseFloat(words[0], 64)
	period, err2 := strconv.ParseFloat(words[1], 64)
	if err != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return quota / period
}

// text is a file's text; "" if it cannot be read.
func text(root fs.FS, name string) string {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(data)
}

func lines(root fs.FS, name string) []string { return strings.Split(text(root, name), "\n") }
