//go:build race

package tun

// raceDetector: the compiler then allocates where it otherwise would not.
const raceDetector = true
