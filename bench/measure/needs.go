package measure

import (
	"fmt"
	"os/exec"
)

// needer is a Measure that starts programs.
type needer interface {
	needs() []string
}

// packages are those of Debian that have a program.
var packages = map[string]string{iperfProgram: "iperf3"}

// Unavailable says in one line which program the measures need and this machine does not have; nil: none.
func Unavailable(measures []Measure) error {
	for _, m := range measures {
		n, ok := m.(needer)
		if !ok {
			continue
		}
		for _, program := range n.needs() {
			if _, err := exec.LookPath(program); err != nil {
				return fmt.Errorf("measure: %s needs %s, which is not installed: run scripts/setup.sh, or install the package %s",
					m.ID(), program, packages[program])
			}
		}
	}
	return nil
}
