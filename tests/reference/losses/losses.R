# Fits of R for tests/losses/test_reference.py: Rscript losses.R > from_r.json, then python losses.py, which adds what R has not
# and writes reference.json.
suppressMessages({library(MASS); library(ordinal); library(pscl); library(survival); library(jsonlite)})

columns <- function(formula, data) {
  x <- model.matrix(formula, data)[, -1, drop = FALSE]
  list(names = colnames(x), X = unname(x))
}
found <- list()
keep <- function(name, x, y, fit, coefficients, errors, ...) {
  found[[name]] <<- c(x, list(y = unname(as.matrix(y)), coefficients = unname(coefficients),
                              errors = if (is.null(errors)) NULL else unname(errors),
                              log_likelihood = as.numeric(logLik(fit))), list(...))
}

# Ordered classes: slopes, then thresholds.
h <- columns(~ Infl + Type + Cont, housing)
for (link in c("logit", "probit")) {
  fit <- clm(Sat ~ Infl + Type + Cont, data = housing, weights = Freq, link = link, control = clm.control(gradTol = 1e-12, maxIter = 100))
  k <- length(fit$alpha)
  order <- c(seq_along(fit$beta) + k, seq_len(k))
  keep(paste0("ordinal_", link), h, as.integer(housing$Sat) - 1, fit, coef(fit)[order], sqrt(diag(vcov(fit)))[order],
       frequencies = housing$Freq)
}

# Two classes.
tight <- glm.control(epsilon = 1e-15, maxit = 200)
b <- columns(~ age + lwt + smoke + ht, birthwt)
for (link in c("probit", "cloglog", "cauchit")) {
  fit <- glm(low ~ age + lwt + smoke + ht, binomial(link), birthwt, control = tight)
  keep(link, b, birthwt$low, fit, coef(fit), sqrt(diag(vcov(fit))))
}

# Groups: Venables and Ripley (2002), section 7.2.
worms <- data.frame(dose = rep(0:5, 2), dead = c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16), male = rep(1:0, each = 6))
w <- columns(~ dose + male, worms)
for (link in c("logit", "probit", "cloglog")) {
  fit <- glm(cbind(dead, 20 - dead) ~ dose + male, binomial(link), worms, control = tight)
  keep(paste0("binomial_", link), w, cbind(worms$dead, 20 - worms$dead), fit, coef(fit), sqrt(diag(vcov(fit))), deviance = deviance(fit))
}

# Other links: McCullagh and Nelder (1989), section 8.4.2; cars.
clot <- data.frame(u = c(5, 10, 15, 20, 30, 40, 60, 80, 100), time = c(118, 58, 42, 35, 27, 25, 21, 19, 18))
fit <- glm(time ~ log(u), Gamma, clot, control = tight)
keep("gamma_inverse", columns(~ log(u), clot), clot$time, fit, coef(fit), sqrt(diag(vcov(fit))), deviance = deviance(fit))
fit <- glm(dist ~ speed, gaussian("log"), cars, start = c(2, 0.1), control = tight)
keep("gaussian_log", columns(~ speed, cars), cars$dist, fit, coef(fit), sqrt(diag(vcov(fit))), deviance = deviance(fit))

# Counts. Standard errors of glm.nb take the dispersion as known, and those of pscl are of numerical derivatives: losses.py has others.
fit <- glm.nb(Days ~ Eth + Sex + Age + Lrn, quine, control = glm.control(epsilon = 1e-14, maxit = 200))
keep("negative_binomial", columns(~ Eth + Sex + Age + Lrn, quine), quine$Days, fit, c(coef(fit), -log(fit$theta)), NULL)
a <- columns(~ fem + mar + kid5 + phd + ment, bioChemists)
for (counts in c("poisson", "negbin")) {
  extra <- function(fit) if (counts == "negbin") -log(fit$theta[[1]]) else c()
  fit <- zeroinfl(art ~ . | ., bioChemists, dist = counts, reltol = 1e-15, maxit = 50000)
  keep(paste0("zero_inflated_", counts), a, bioChemists$art, fit, c(fit$coefficients$count, extra(fit), fit$coefficients$zero), NULL)
  fit <- hurdle(art ~ . | ., bioChemists, dist = counts, reltol = 1e-15, maxit = 50000)
  keep(paste0("hurdle_", counts), a, bioChemists$art, fit, c(fit$coefficients$count, extra(fit), fit$coefficients$zero), NULL)
}

# Lifetimes: coefficients, then the log scale.
lung <- survival::lung
l <- columns(~ age + sex, lung)
for (dist in c("weibull", "lognormal", "loglogistic", "exponential")) {
  fit <- survreg(Surv(time, status == 2) ~ age + sex, lung, dist = dist, control = survreg.control(rel.tolerance = 1e-14, maxiter = 100))
  own <- if (dist == "exponential") coef(fit) else c(coef(fit), log(fit$scale))
  keep(dist, l, cbind(lung$time, lung$status == 2), fit, own, sqrt(diag(vcov(fit))))
}

# Shares, whose fit losses.py makes: how round the pores of rocks are.
found$beta <- c(columns(~ log(area) + log(perm), rock), list(y = as.matrix(rock$shape)))
found$versions <- list(R = R.version.string, MASS = as.character(packageVersion("MASS")), ordinal = as.character(packageVersion("ordinal")),
                       pscl = as.character(packageVersion("pscl")), survival = as.character(packageVersion("survival")))
cat(toJSON(found, digits = NA, auto_unbox = TRUE))
