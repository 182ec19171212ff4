"""Keys and tokens that say by their prefix whose they are. The prefixes are those that the vendors document."""

from __future__ import annotations

from .shapes import Shape, prefixed

_ALNUM = b"[A-Za-z0-9]"
_LOWER = b"[a-z0-9]"
_HEX = b"[a-f0-9]"
_WORD = b"[A-Za-z0-9_]"
_URL = b"[A-Za-z0-9_-]"
_BASE64 = b"[A-Za-z0-9+/=]"

VENDOR_TOKENS: dict[str, tuple[Shape, ...]] = {
    "age-key": (prefixed(b"AGE-SECRET-KEY-1", b"[A-Z0-9]", 40),),
    "atlassian-token": (prefixed(b"ATATT3x", b"[A-Za-z0-9_=-]", 40),),
    "azure-storage-key": (prefixed(b"AccountKey=", _BASE64, 40),),
    "databricks-token": (prefixed(b"dapi", _HEX, 32),),
    "digitalocean-token": tuple(prefixed(b"do" + kind + b"_v1_", _HEX, 40) for kind in (b"p", b"o", b"r")),
    "docker-token": (prefixed(b"dckr_pat_", _URL, 20),),
    "doppler-token": (prefixed(b"dp.pt.", _ALNUM, 32),),
    "figma-token": (prefixed(b"figd_", _URL, 32),),
    "google-oauth": (prefixed(b"ya29.", _URL, 20), prefixed(b"GOCSPX-", _URL, 20)),
    "grafana-token": (prefixed(b"glsa_", _WORD, 32), prefixed(b"glc_", _BASE64, 32)),
    "groq-key": (prefixed(b"gsk_", _ALNUM, 32),),
    "huggingface-token": (prefixed(b"hf_", b"[A-Za-z]", 30),),
    "linear-key": (prefixed(b"lin_api_", _ALNUM, 32),),
    "mailgun-key": (prefixed(b"key-", _LOWER, 32),),
    "newrelic-key": (prefixed(b"NRAK-", b"[A-Z0-9]", 27),),
    "notion-token": (prefixed(b"ntn_", _ALNUM, 40),),
    "npm-token": (prefixed(b"npm_", _ALNUM, 36),),
    "perplexity-key": (prefixed(b"pplx-", _ALNUM, 40),),
    "planetscale-token": (
        prefixed(b"pscale_tkn_", b"[A-Za-z0-9_.-]", 32),
        prefixed(b"pscale_pw_", b"[A-Za-z0-9_.-]", 32),
    ),
    "postman-key": (prefixed(b"PMAK-", b"[a-f0-9-]", 50),),
    "pypi-token": (prefixed(b"pypi-AgEIcHlwaS5vcmc", _URL, 30),),
    "replicate-token": (prefixed(b"r8_", _ALNUM, 36),),
    "sendgrid-key": (prefixed(b"SG.", b"[A-Za-z0-9_.-]", 60),),
    "sentry-token": (prefixed(b"sntrys_", b"[A-Za-z0-9_+/=]", 40), prefixed(b"sntryu_", _HEX, 60)),
    "shopify-token": tuple(prefixed(kind, _HEX, 32) for kind in (b"shpat_", b"shpss_", b"shpca_", b"shppa_")),
    "square-token": (prefixed(b"sq0atp-", _URL, 22), prefixed(b"sq0csp-", _URL, 40)),
    "stripe-webhook": (prefixed(b"whsec_", _BASE64, 24),),
    "supabase-key": (prefixed(b"sbp_", _HEX, 40),),
    "twilio-key": (prefixed(b"SK", _HEX, 32),),
    "vault-token": (prefixed(b"hvs.", _URL, 24), prefixed(b"hvb.", _URL, 24)),
    "xai-key": (prefixed(b"xai-", _ALNUM, 60),),
}
"""By the detector's name; several shapes are one vendor's kinds of token."""
