package inherit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Name is the name of a descriptor: "udp.3".
func Name(kind string, number int) string { return kind + "." + strconv.Itoa(number) }

// ParseName reads what Name wrote, and nothing else.
func ParseName(name string) (kind string, number int, ok bool) {
	kind, rest, _ := strings.Cut(name, ".")
	number, err := strconv.Atoi(rest)
	return kind, number, err == nil && number >= 0 && name == Name(kind, number)
}

// CheckNumbers says which descriptor of a set is missing or came twice; nil: they are numbered from 0 on.
func CheckNumbers(numbers []int) error {
	for i, number := range slices.Sorted(slices.Values(numbers)) {
		switch {
		case number > i:
			return fmt.Errorf("number %d is missing", i)
		case number < i:
			return fmt.Errorf("number %d came twice", number)
		}
	}
	return nil
}
