//go:build !linux && !darwin && !freebsd

package main

import "errors"

// freeBytes does not know how to ask this system.
func freeBytes(string) (uint64, error) { return 0, errors.New("this system is not asked") }
