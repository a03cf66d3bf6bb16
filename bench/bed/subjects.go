package bed

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/tun"
)

// All are the subjects in the order in which a round measures them.
func All() []Subject {
	return []Subject{
		underlay{},
		hostGW{},
		vxlan{},
		weft{driver: tun.DriverPlain},
		weft{driver: tun.DriverPlain, sealed: true},
		weft{driver: tun.DriverBatch},
		weft{driver: tun.DriverBatch, sealed: true},
		weft{driver: tun.DriverSuper},
		weft{driver: tun.DriverSuper, sealed: true},
		wireguardGo{},
		wireguardKernel{},
	}
}

// Names are the names of All.
func Names() []string {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name())
	}
	return names
}

// ByName finds a subject; the error lists those that there are.
func ByName(name string) (Subject, error) {
	for _, s := range All() {
		if s.Name() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("bed: unknown subject %q: want one of %s", name, strings.Join(Names(), ", "))
}
