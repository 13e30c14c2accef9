# Curves that turn out straight, by mgcv, whose strengths then have no optimum short of infinity. Run from this folder: Rscript straight.R
# Writes straight.csv (the data) and straight.json: effective degrees of freedom and the linear predictor at the first 40 rows.
suppressPackageStartupMessages(library(mgcv))
set.seed(7)
n <- 800
rows <- data.frame(age = round(runif(n, 18, 70), 4), hours = round(runif(n, 0, 10), 4))
f <- 12 * exp(-((rows$age - 35) / 14)^2) + 1.5 * rows$hours
rows$score <- round(40 + f + rnorm(n, sd = 3), 4)
rows$visits <- rpois(n, exp(0.03 * f))
rows$passed <- rbinom(n, 1, plogis(0.15 * (f - 14)))
write.csv(rows, "straight.csv", row.names = FALSE, quote = FALSE)

number <- function(values) paste0("[", paste(sprintf("%.17g", values), collapse = ","), "]")
record <- function(name, formula, family) {
  fit <- gam(formula, data = rows, family = family, method = "REML",
             control = gam.control(epsilon = 1e-12, maxit = 400, newton = list(conv.tol = 1e-9)))
  paste0('{"name": "', name, '", "edf": ', number(summary(fit)$s.table[, 1]), ', "fitted": ', number(fit$linear.predictors[1:40]), "}")
}
two <- function(target) as.formula(paste(target, '~ s(age, bs = "ps", k = 10) + s(hours, bs = "ps", k = 10)'))
surface <- function(target) as.formula(paste(target, '~ te(age, hours, bs = "ps", k = 5, np = FALSE)'))
made <- c(
  record("score curves", two("score"), gaussian()), record("score surface", surface("score"), gaussian()),
  record("visits curves", two("visits"), poisson()), record("visits surface", surface("visits"), poisson()),
  record("passed curves", two("passed"), binomial()), record("passed surface", surface("passed"), binomial()))
writeLines(paste0('{"made by": "', R.version.string, ', mgcv ', packageVersion("mgcv"), '",\n "fits": [\n',
                  paste(made, collapse = ",\n"), "\n]}"), "straight.json")
