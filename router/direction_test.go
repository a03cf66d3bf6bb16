package router

import "testing"

func TestEachReasonIsOfOneDirection(t *testing.T) {
	for reason, want := range map[Reason]bool{
		Unreadable: true, ForeignSource: true, NoRoute: true, KeyExhausted: true, SendFailed: true,
		BadFrame: false, AuthFailed: false, SpoofedSource: false, DeviceRefused: false, UnknownPeer: false,
	} {
		if got := reason.Outbound(); got != want {
			t.Errorf("%v is outbound: %v", reason, got)
		}
	}
}
