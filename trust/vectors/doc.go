// Package vectors is for tests alone: it holds what the known answers of the protocol are checked with.
//
// Known answers lie below testdata/vectors of the package whose code makes them, one JSON file for each subject. Check
// compares what the code makes with such a file. So that a file is not merely what the code did once, the same tests make its
// answers a second time with the functions of this package: HKDF, ChaCha20-Poly1305, BLAKE2s, CBOR and Noise, written from
// their specifications with nothing but the standard library. They are slow, and not constant in time: no program may use
// them, and TestNoProgramHasThisPackage sees to it.
package vectors
