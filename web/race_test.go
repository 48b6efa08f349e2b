//go:build race

package web_test

const raced = true // the detector allocates too
