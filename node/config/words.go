package config

import (
	"fmt"
	"strings"
)

// OnOff is a switch as it is written.
func OnOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// Texts are the items as they are written.
func Texts[T any](items []T) []string {
	list := make([]string, len(items))
	for i, v := range items {
		list[i] = fmt.Sprint(v)
	}
	return list
}

// Joined is a list as it is written on the command line.
func Joined[T any](items []T) string { return strings.Join(Texts(items), ",") }
