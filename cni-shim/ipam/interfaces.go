package ipam

import (
	"fmt"
	"net"
)

// Interfaces are the names of all interfaces in the network namespace of the caller, for Watch and Check.
func Interfaces() (map[string]bool, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("ipam: list interfaces: %w", err)
	}
	names := make(map[string]bool, len(list))
	for _, i := range list {
		names[i.Name] = true
	}
	return names, nil
}
