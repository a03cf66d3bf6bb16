package firewall

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rememberResets writes down what the kernel will have reset once a switch has been turned on and off again.
func (s *switching) rememberResets(path string) error {
	list, err := resets(path, s.device)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := s.remember(e); err != nil {
			return err
		}
	}
	return nil
}

// acceptRedirects4 is whether the host takes redirects of IPv4. Whoever hardens a host turns it off.
const acceptRedirects4 = "net/ipv4/conf/all/accept_redirects"

// resets lists the sysctls that turning a switch off gives a value that they do not have now, while it is off: forwarding of
// single interfaces, and of those to come, becomes 0 (inet_forward_change in net/ipv4/devinet.c, addrconf_fixup_forwarding
// in net/ipv6/addrconf.c); IPv4 takes redirects again. The interface device is left out: it goes with weft.
func resets(path, device string) ([]entry, error) {
	family := strings.SplitAfterN(path, "/", 3)
	directory := filepath.Join(family[0], family[1], "conf")
	interfaces, err := os.ReadDir(filepath.Join("/proc/sys", directory))
	if err != nil {
		return nil, fmt.Errorf("firewall: list sysctls of interfaces: %w", reason(err))
	}
	var list []entry
	for _, i := range interfaces {
		if i.Name() != "all" && i.Name() != device {
			list = addReset(list, filepath.Join(directory, i.Name(), "forwarding"), "0")
		}
	}
	if path == forward4 {
		list = addReset(list, acceptRedirects4, "1")
	}
	return list, nil
}

// addReset adds a sysctl that is going to be reset to a value, unless it has that value. One that is gone meanwhile is left out.
func addReset(list []entry, path, value string) []entry {
	now, err := read(path)
	if err != nil || now == value {
		return list
	}
	return append(list, entry{Name: path, Was: now, Set: value, Reset: true})
}
