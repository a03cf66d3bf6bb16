package lease

import (
	"fmt"
	"os"
	"strings"
)

// bootFile holds the number that the kernel draws at each boot (random(4)). It is the same in all namespaces.
const bootFile = "/proc/sys/kernel/random/boot_id"

// BootID names the present boot of the machine.
func BootID() (string, error) {
	text, err := os.ReadFile(bootFile)
	if err != nil {
		return "", fmt.Errorf("lease: read the boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
