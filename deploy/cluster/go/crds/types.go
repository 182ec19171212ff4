// Package crds requires the types whose definitions controller-gen writes.
package crds

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
