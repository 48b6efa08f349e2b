//go:build !linux

package store

// folderEvents has no kernel to ask here; Watch polls.
func folderEvents(string) (events <-chan struct{}, stop func()) { return nil, func() {} }
