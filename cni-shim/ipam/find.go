package ipam

import (
	"fmt"
	"net/netip"
	"strings"
)

// leastID is how many digits of a container's ID name it: crictl shows 13.
const leastID = 4

// Find returns the held records that a text names: that of an address, or all those of a container, which the first digits of its ID
// name, too, if no other begins so. The error says what the text names instead.
func Find(records []Record, text string) ([]Record, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return ofAddress(records, a.Unmap())
	}
	var found []Record
	for _, r := range records {
		if r.State != Held || r.Container != text && (len(text) < leastID || !strings.HasPrefix(r.Container, text)) {
			continue
		}
		if len(found) > 0 && found[0].Container != r.Container {
			return nil, fmt.Errorf("ipam: %q is the begin of more than one container's ID: of %s and of %s", text, found[0].Container, r.Container)
		}
		found = append(found, r)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("ipam: no address is held by a container whose ID is %q or begins so: 'weft ipam show' lists all", text)
	}
	return found, nil
}

func ofAddress(records []Record, a netip.Addr) ([]Record, error) {
	reason := "nobody holds it"
	for _, r := range records {
		for _, has := range r.Addresses {
			if has == a && r.State == Held {
				return []Record{r}, nil
			}
			if has == a {
				reason = fmt.Sprintf("%s released it, and it can be given again %v after that", r.Holder(), Quarantine)
			}
		}
	}
	return nil, fmt.Errorf("ipam: %s: %s", a, reason)
}
